import type { LocatedContainer } from '../../docker/port.ts';
import type { Session, SessionOptions } from '../../mcp/client/session.ts';
import type { DesiredServer } from '../../model/desired.ts';
import { type ErrorCode, LoomsError } from '../../model/errors.ts';
import { type ContainerId, hostNameOf, type ProjectName, type ServerName } from '../../model/ids.ts';
import { relayName } from '../../model/labels.ts';
import { servingOf } from '../../model/serving.ts';
import { slotsOf } from '../../model/slots.ts';
import { requireTrust, untrustedRecord } from '../apply/require-trust.ts';
import { serverNotFound } from '../inspect/server-not-found.ts';
import type { Ports } from '../ports.ts';
import { knowSecrets } from './know-secrets.ts';
import { sessionImage, sessionTarget } from './session-target.ts';

/** A server that runs, with a session to it. */
export type OpenServer = {
  readonly container: ContainerId;
  readonly generation: number;
  readonly spec: DesiredServer;
  readonly session: Session;
};

/** `mayAskForTrust`: false where no person waits for the answer to a question about a record; default true. */
export type OpenOptions = SessionOptions & { readonly mayAskForTrust?: boolean };

/** Codes of a session that never came to be because its container stopped meanwhile. */
const containerEnded: ReadonlySet<ErrorCode> = new Set(['server-not-running', 'engine-not-found', 'server-exited']);

/**
 * Opens a session to a running server of a project, found by the labels on its container alone. A container that ends
 * while the session is opened was perhaps just replaced: as nothing was asked of it yet, the other generation that runs
 * is tried before the failure counts.
 * Throws `server-not-found`, `server-not-running`, `record-untrusted`, `secret-missing`, and what opening a session throws.
 */
export async function openServer(
  ports: Ports,
  project: ProjectName,
  server: ServerName,
  options: OpenOptions,
): Promise<OpenServer> {
  const engine = await ports.engine();
  const locate = () => engine.locate(project, options.signal === undefined ? {} : { signal: options.signal });
  const located = await locate();
  const first = choose(located, project, server);
  try {
    return await openContainer(ports, project, first, located, options);
  } catch (error) {
    if (!(error instanceof LoomsError) || !containerEnded.has(error.code) || options.signal?.aborted) throw error;
    const now = await locate();
    const second = preferred(now, project, server, first.id);
    if (second === undefined) throw error;
    return openContainer(ports, project, second, now, options);
  }
}

/**
 * Opens a session to a running server for one piece of work, and passes on what that returns or throws. The session ends
 * after it was told; a server that is known to end with its input is not waited for. Throws what `openServer` throws.
 */
export async function onServer<T>(
  ports: Ports,
  { project, server }: { readonly project: ProjectName; readonly server: ServerName },
  options: OpenOptions,
  work: (open: OpenServer) => Promise<T>,
): Promise<T> {
  const open = await openServer(ports, project, server, options);
  let trusting = false;
  try {
    const done = await work(open);
    trusting = true;
    return done;
  } finally {
    ports.atEnd(() => open.session.close({ trusting }));
  }
}

const generationsOf = (located: readonly LocatedContainer[], server: ServerName): readonly LocatedContainer[] =>
  slotsOf(located).get(server) ?? [];

/** The generation to talk to; one that has ended is known to run no more, whatever the list says. */
const preferred = (
  located: readonly LocatedContainer[],
  project: ProjectName,
  server: ServerName,
  ended?: ContainerId,
): LocatedContainer | undefined =>
  servingOf(
    generationsOf(located, server).map((one) => (one.id === ended ? { ...one, running: false } : one)),
    project,
    server,
  );

function choose(located: readonly LocatedContainer[], project: ProjectName, server: ServerName): LocatedContainer {
  if (generationsOf(located, server).length === 0) {
    throw serverNotFound(project, server, [...slotsOf(located).keys()]);
  }
  const running = preferred(located, project, server);
  if (running !== undefined) return running;
  const pending = generationsOf(located, server).find((one) => one.running);
  if (pending !== undefined) {
    throw new LoomsError(
      'server-not-running',
      `server ${server} is being replaced: ${pending.name} has not passed its gate`,
      {
        hint: 'try again in a moment; after a run that was cut off, `looms apply` completes it',
      },
    );
  }
  // Whether it is disabled stands in the files: what stops a container does not change the spec that is recorded on it.
  const [last] = generationsOf(located, server).slice(-1);
  throw new LoomsError('server-not-running', `server ${server} is ${last?.status ?? 'not running'}`, {
    hint:
      last?.status === 'restarting'
        ? `it ends again and again; \`looms mcp logs ${server}\` may say why`
        : `\`looms mcp start ${server}\` starts it; so does \`looms apply\`, unless its spec says mcp_server.enabled: false`,
  });
}

async function openContainer(
  ports: Ports,
  project: ProjectName,
  running: LocatedContainer,
  located: readonly LocatedContainer[],
  options: OpenOptions,
): Promise<OpenServer> {
  const engine = await ports.engine();
  const spec = running.recorded?.spec;
  if (spec === undefined) {
    throw new LoomsError(
      'server-not-running',
      `container ${running.name} does not say which server it is: its looms.spec label cannot be read`,
      {
        hint: 'looms apply replaces it',
      },
    );
  }
  const isStdio = spec.mcp.transport.kind === 'stdio';
  if (isStdio || ports.trust.acceptsAll) {
    await requireTrust(ports, untrustedRecord(`container ${running.name}`, running), options.mayAskForTrust ?? true);
  }
  const { mode } = spec.network;
  const relay =
    mode === 'none'
      ? undefined
      : located.find((one) => one.role === 'relay' && one.name === relayName(project, mode) && one.running);
  // A session of a stdio server looks its secrets up anyway; the process of an HTTP server has them already.
  if (!isStdio) await knowSecrets(ports, spec, running.foreignRecord);
  const target = await sessionTarget(
    {
      engine,
      container: running.id,
      spec,
      image: await sessionImage(engine, spec, running),
      relay: relay?.id,
      host: hostNameOf(running.id),
    },
    ports.secrets,
  );
  const open = await ports.openSession();
  return { container: running.id, generation: running.generation, spec, session: await open(target, options) };
}
