import { argvTemplateOf } from '../../model/container/argv.ts';
import { hasForwarder } from '../../model/container/egress.ts';
import { type DesiredServer, isHttp } from '../../model/desired.ts';
import { LoomsError } from '../../model/errors.ts';
import { type ContainerId, hostNameOf, type ProjectName, type ServerName } from '../../model/ids.ts';
import type { ForeignRecord } from '../../model/records.ts';
import type { SecretPrints } from '../../model/secrets/secret-prints.ts';
import { serverNotFound } from '../../model/server-not-found.ts';
import type { ListedPlace, Serving } from '../../model/server-view.ts';
import { defined } from '../../model/values/defined.ts';
import type { ServingOptions } from '../../orchestrator/port.ts';
import { isSettled, servingOf, slotsOf } from '../model/generations.ts';
import { relayName } from '../model/labels.ts';
import { resolveArgv } from '../model/resolve-shape.ts';
import type { ImageFacts } from '../model/shape.ts';
import type { Engine, LocatedContainer } from '../port.ts';

/** Where a server finds the hosts of its list: in one of the subnets of `way-out.ts`. */
export const listedPlace: ListedPlace = {
  address: /\b169\.254\.(?:6[4-9]|[7-9]\d|1[01]\d|12[0-7])\.\d{1,3}\b/,
  range: '169.254.0.0/16',
};

/** A container as opening a session to it needs. */
type Reachable = Pick<LocatedContainer, 'id' | 'name' | 'generation' | 'imageId' | 'imageRef' | 'hasShell'> & {
  readonly foreignRecord?: ForeignRecord | undefined;
  readonly secretPrints?: SecretPrints | undefined;
  /** What is known of that image already. */
  readonly facts?: Pick<ImageFacts, 'entrypoint' | 'command'>;
};

/** What the image runs; the engine is asked only where the spec leaves it open. Throws `image-not-found`. */
async function programOf(
  engine: Engine,
  spec: DesiredServer,
  { imageId, imageRef: ref, facts }: Reachable,
): Promise<Pick<ImageFacts, 'ref' | 'entrypoint' | 'command'>> {
  if (argvTemplateOf(spec).entrypoint !== undefined) return { ref, entrypoint: [], command: [] };
  const known = facts ?? (await engine.findImage(imageId, { mayLook: false }));
  if (known !== null) return { ref, entrypoint: known.entrypoint, command: known.command };
  throw new LoomsError(
    'image-not-found',
    `the image of server ${spec.name}, which says what it runs, is gone (${ref})`,
    { hint: 'get the image again, then `looms mcp restart`; or set mcp_server.command' },
  );
}

/** A container as sessions reach it. Throws `server-not-running` without the relay it needs, `image-not-found`. */
export async function servingContainer(
  engine: Engine,
  container: Reachable,
  spec: DesiredServer,
  project: ProjectName,
  relayOf: (name: string) => ContainerId | undefined,
): Promise<Serving> {
  const { id, name, generation, imageId: image, hasShell, foreignRecord, secretPrints } = container;
  const { mode } = spec.network;
  const relay = !isHttp(spec) || mode === 'none' ? undefined : relayOf(relayName(project, mode));
  if (isHttp(spec) && relay === undefined) {
    throw new LoomsError('server-not-running', `server ${spec.name} has no relay, through which it would be reached`, {
      hint: '`looms apply` makes it again',
    });
  }
  return {
    container: id,
    containerName: name,
    project,
    generation,
    spec,
    imageRef: container.imageRef,
    ...(isSettled(project, spec.name)({ name }) ? {} : { isUnproven: true }),
    ...defined({ foreignRecord, secretPrints }),
    // An HTTP server's process has its argv already.
    argv: isHttp(spec) ? [] : resolveArgv(argvTemplateOf(spec), await programOf(engine, spec, container)),
    hasShell,
    image,
    ...(hasForwarder(spec) ? { listed: listedPlace } : {}),
    // While two generations share the alias, only a container's own id is sure to name it: its default host name.
    ...(relay === undefined ? {} : { reach: { way: relay, host: hostNameOf(id) } }),
  };
}

function choose(
  located: readonly LocatedContainer[],
  project: ProjectName,
  server: ServerName,
  ended: ContainerId | undefined,
): LocatedContainer {
  const slots = slotsOf(located);
  // One that has ended is known to run no more, whatever the list says.
  const generations = (slots.get(server) ?? []).map((one) => (one.id === ended ? { ...one, running: false } : one));
  if (generations.length === 0) throw serverNotFound(project, server, [...slots.keys()]);
  const serving = servingOf(generations, project, server);
  if (serving !== undefined) return serving;
  const pending = generations.find((one) => one.running);
  if (pending !== undefined) {
    const message = `server ${server} is being replaced: ${pending.name} has not passed its gate`;
    throw new LoomsError('server-not-running', message, {
      hint: 'try again in a moment; after a run that was cut off, `looms apply` completes it',
    });
  }
  // Whether it is disabled stands in the files: what stops a container does not change the spec that is recorded on it.
  const last = generations.at(-1);
  throw new LoomsError('server-not-running', `server ${server} is ${last?.status ?? 'not running'}`, {
    hint:
      last?.status === 'restarting'
        ? `it ends again and again; \`looms mcp logs ${server}\` may say why`
        : `\`looms mcp start ${server}\` starts it; so does \`looms apply\`, unless its spec says mcp_server.enabled: false`,
  });
}

/** `Orchestrator.serving`: the server is found by the labels on its container alone. */
export async function servingServer(
  engine: Engine,
  project: ProjectName,
  server: ServerName,
  { ended, sessions: _, ...options }: ServingOptions = {},
): Promise<Serving> {
  const own = await engine.locate(project, { ...options, of: { server } });
  // Who misses one is told which there are.
  const isThere = own.some(({ role }) => role === 'server');
  const running = choose(isThere ? own : await engine.locate(project, options), project, server, ended);
  if (running.recorded === undefined) {
    const message = `container ${running.name} does not say which server it is: its looms.spec label cannot be read`;
    throw new LoomsError('server-not-running', message, { hint: 'looms apply replaces it' });
  }
  const { spec, image: imageRef } = running.recorded;
  const relays = isHttp(spec) ? await engine.locate(project, { ...options, of: { role: 'relay' } }) : [];
  return servingContainer(
    engine,
    { ...running, imageRef },
    spec,
    project,
    (relay) => relays.find((one) => one.role === 'relay' && one.name === relay && one.running)?.id,
  );
}
