declare const brand: unique symbol;
type Branded<T, B extends string> = T & { readonly [brand]: B };

/** A server's name in its project: a lower-case DNS label of at most 40 characters (docs/spec.md, `name`). */
export type ServerName = Branded<string, 'ServerName'>;
/** A project's name: a lower-case DNS label of at most 40 characters. */
export type ProjectName = Branded<string, 'ProjectName'>;
/**
 * The engine's full id of a container, and of a pod `UID/NAMESPACE/NAME`. Every destructive call names one of these, never a
 * name.
 */
export type ContainerId = Branded<string, 'ContainerId'>;
/** The engine's id of an image (`sha256:…`), which is what a container really runs. */
export type ImageId = Branded<string, 'ImageId'>;
/** The engine's id of a network. */
export type NetworkId = Branded<string, 'NetworkId'>;
/** A step's id inside one plan, stable for the same input: `<server>/<operation>` or `<operation>:<what>`. */
export type StepId = Branded<string, 'StepId'>;

export const asServerName = (value: string): ServerName => value as ServerName;
export const asProjectName = (value: string): ProjectName => value as ProjectName;
export const asContainerId = (value: string): ContainerId => value as ContainerId;
export const asImageId = (value: string): ImageId => value as ImageId;
export const asNetworkId = (value: string): NetworkId => value as NetworkId;
export const asStepId = (value: string): StepId => value as StepId;

/** What names of servers and projects must match: a DNS label, so that it can be a container's host name too. */
export const namePattern = /^[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?$/;

/** An id of the engine as people see and type it: its first 12 digits, of a pod its name, by which `kubectl` knows it. */
export function shortId(id: string): string {
  const digits = id.replace(/^(?:.*@)?sha256:/s, '');
  const [, , pod, ...more] = digits === id ? id.split('/') : [];
  return pod !== undefined && more.length === 0 ? pod : digits.slice(0, 12);
}

/** A container by its name and, where that tells more, by its id as people see it. */
export function namesOfContainer(name: string, id: ContainerId): readonly [name: string, id?: string] {
  const short = shortId(id);
  return short === name ? [name] : [name, short];
}

/**
 * The name that the engine gives a container on its networks by itself, also where its spec gives it a host name. Unlike
 * that and a server's alias no two generations share it, so relays connect by it, and whoever counts the sessions of a
 * container looks for it.
 */
export const hostNameOf = (container: ContainerId): string => container.slice(0, 12);

/** Stands in the argv of an exec that is no session of its container, but keeps those of a program. */
export const keeperName = 'looms-keeper';

/** What a process is called that carries connections, followed by of how many sessions they are. */
export const carrierName = 'looms-carrier';
