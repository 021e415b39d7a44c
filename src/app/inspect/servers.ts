import type { ProjectName, ServerName } from '../../model/ids.ts';
import type { Notice } from '../../model/notices.ts';
import { type SecretUse, secretUses } from '../../model/secrets/secret-names.ts';
import { serverMissing } from '../../model/server-not-found.ts';
import type { Refusal, RefusedServer, ServerListing } from '../../model/server-view.ts';
import { defined } from '../../model/values/defined.ts';
import type { CallOptions } from '../../orchestrator/session-host.ts';
import { formatSpec } from '../../spec/fields/format.ts';
import type { Ports } from '../ports.ts';
import { knowSecrets } from '../talk/know-secrets.ts';
import { detailOf, type ServerDetail, type ServerStatus, statusOf } from './server-status.ts';

/** The servers of a project that are named; all where none is. */
type Wanted = { readonly project: ProjectName; readonly names: readonly ServerName[] };

/** What the engine has of the servers that are asked for: all, or those named. Throws what `serverMissing` makes. */
export async function lookUpServers(
  ports: Ports,
  { project, names }: Wanted,
  options: CallOptions = {},
): Promise<ServerListing> {
  const orchestrator = await ports.orchestrator();
  if (names.length > 0) {
    const found = await orchestrator.servers(project, { ...options, names });
    if (found.servers.length === new Set(names).size) return found;
  }
  const listing = await orchestrator.servers(project, options);
  const known = listing.servers.map(({ name }) => name);
  const missing = names.find((name) => !known.includes(name));
  if (missing !== undefined) throw serverMissing(listing.engine, project, missing, known, listing.deleted);
  return names.length === 0
    ? listing
    : { ...listing, servers: listing.servers.filter(({ name }) => names.includes(name)) };
}

/** The names of a project's servers; undefined where the engine cannot tell. */
export async function serverNames(ports: Ports, project: ProjectName): Promise<readonly string[] | undefined> {
  try {
    return (await (await ports.orchestrator()).servers(project)).servers.map(({ name }) => name);
  } catch {
    return undefined;
  }
}

/** Servers as they are shown, and what is worth saying that is about none of them. */
export type Shown<T> = { readonly servers: readonly T[]; readonly notices: readonly Notice[] };

/** The servers of a project, sorted by name; all, or those named. Throws what `lookUpServers` throws. */
export async function getServers(ports: Ports, request: Wanted): Promise<Shown<ServerStatus>> {
  const { servers, now, notices } = await lookUpServers(ports, request);
  return { servers: servers.map((view) => statusOf(view, now)), notices };
}

const placeNotRecorded: Notice = {
  code: 'place-not-recorded',
  message: 'where servers may run is in no record: without place these specs may run on any of the engines',
  hint: 'write place into them again before they are applied',
};

/**
 * The recorded specs of all servers of a project (or those named) as YAML documents that can be applied again, one each;
 * of several engines without `place`, which is noted.
 */
export async function getSpecs(ports: Ports, request: Wanted): Promise<Shown<string>> {
  const { engine, servers, notices } = await lookUpServers(ports, request);
  const mayHavePlace = engine.kind === 'several' && servers.length > 0;
  const documents = servers.map(({ name, recorded }) =>
    recorded === undefined
      ? `# ${name}: the record of what it was made from cannot be read\n`
      : formatSpec(recorded.spec),
  );
  return { servers: documents, notices: mayHavePlace ? [...notices, placeNotRecorded] : notices };
}

/**
 * What a server was refused, with its secrets masked: names are what it asked for, and may be a token below a domain. What
 * no list can say then has no entry. Throws what the engine throws.
 */
export async function refusalsOf(
  ports: Ports,
  server: RefusedServer,
): Promise<{ readonly refusals: readonly Refusal[]; readonly linesRead: number | undefined }> {
  const { refusals, linesRead } = await (await ports.orchestrator()).refusals(server);
  if (refusals.length > 0 && server.recorded !== undefined) {
    const { project, recorded, foreignRecord, secretPrints } = server;
    await knowSecrets(ports, recorded.spec, { project, foreignRecord, secretPrints });
  }
  const masked = refusals.map((one) => {
    const what = ports.mask(one.what);
    return { ...one, what, entry: what === one.what ? one.entry : null, ...defined({ ofLast: linesRead }) };
  });
  return { refusals: masked, linesRead };
}

/** The same; null when the engine cannot tell. */
export async function refusedTo(ports: Ports, server: RefusedServer): Promise<readonly Refusal[] | null> {
  try {
    return (await refusalsOf(ports, server)).refusals;
  } catch {
    return null;
  }
}

/** A server, and what its secrets are looked up by. */
type DescribedServer = { readonly server: ServerDetail; readonly secrets: readonly SecretUse[] };

/** Everything about servers, from their containers alone; no value of a secret. Throws what `lookUpServers` throws. */
export async function describeServers(ports: Ports, request: Wanted): Promise<Shown<DescribedServer>> {
  const { servers, now, notices } = await lookUpServers(ports, request);
  const { imageOf } = await ports.orchestrator();
  const described = await Promise.all(
    servers.map(async (view) => {
      const [{ command }, refused] = await Promise.all([imageOf(view), refusedTo(ports, view)]);
      return {
        server: detailOf(view, now, { command, refused }),
        secrets: view.recorded === undefined ? [] : secretUses(view.recorded.spec),
      };
    }),
  );
  return { servers: described, notices };
}
