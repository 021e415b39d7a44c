import type { Session, SessionOptions, SessionTarget } from '../../mcp/client/session.ts';
import { isHttp } from '../../model/desired.ts';
import { isFailure, LoomsError, traitsOf, withHint } from '../../model/errors.ts';
import type { ContainerId, ProjectName, ServerName } from '../../model/ids.ts';
import { untrustedRecord } from '../../model/records.ts';
import type { Serving } from '../../model/server-view.ts';
import { inSpan } from '../../model/trail/tracing.ts';
import { defined } from '../../model/values/defined.ts';
import type { Orchestrator } from '../../orchestrator/port.ts';
import { requireTrust } from '../apply/require-trust.ts';
import type { Ports } from '../ports.ts';
import { knowSecrets } from './know-secrets.ts';
import { servingAwake } from './serving-awake.ts';
import { sessionTarget } from './session-target.ts';

/** Which server is talked to. */
export type OfServer = { readonly project: ProjectName; readonly server: ServerName };

/** A server that runs, with a session to it. */
export type OpenServer = Pick<Serving, 'container' | 'generation' | 'spec' | 'secretPrints' | 'listed'> & {
  readonly session: Session;
};

/** How a session is opened for somebody who talks to a server. */
export type TalkOptions = SessionOptions & {
  /** Hears that the server sleeps, and is woken first, which takes seconds. */
  readonly onWaking?: (() => void) | undefined;
};

type OpenOptions = TalkOptions & {
  /** False where nobody wants something of the server: one that sleeps is left asleep, and it is the shown container that is asked. */
  readonly wakes?: boolean;
  /** False where no person waits for the answer to a question about a record; default true. */
  readonly mayAskForTrust?: boolean;
  /** Bounds the session of each container that is tried, and so hears of it before. */
  readonly boundsOf?: (serving: Serving) => Pick<SessionOptions, 'connectTimeoutMs' | 'lifetimeMs'>;
};

/** Who opens one session knows of no other ones. */
const noneKnown: ReadonlyMap<ContainerId, number> = new Map();

/**
 * Opens a session to a running server of a project, found by the labels on its container alone. A container that ends
 * while the session is opened was perhaps just replaced, or went as the server fell asleep; one may have no room. As nothing
 * was asked of it yet, another one that runs is tried before the failure counts, or the server woken.
 * Throws `server-not-found`, `server-not-running`, `record-untrusted`, `secret-missing`, what waking a server throws that is
 * asleep (`server-asleep` where that is not wanted), and what opening a session throws.
 */
export async function openServer(
  ports: Ports,
  project: ProjectName,
  server: ServerName,
  options: OpenOptions,
): Promise<OpenServer> {
  const orchestrator = await ports.orchestrator();
  const { signal, wakes = true, onWaking } = options;
  const serving = (ended?: ContainerId): Promise<Serving> =>
    wakes
      ? servingAwake(orchestrator, { project, server }, { signal, sessions: noneKnown, onWaking, ended })
      : orchestrator.serving(project, server, { signal, ended });
  const first = await serving();
  try {
    return await openSession(ports, orchestrator, first, options);
  } catch (error) {
    const isEnded = error instanceof LoomsError && traitsOf(error.code).retry === 'elsewhere';
    const isFull = isFailure(error, 'server-crowded') && first.beside !== undefined;
    if (!(isEnded || isFull) || signal?.aborted) throw error;
    const second = await serving(first.container).catch(() => {
      throw error;
    });
    return openSession(ports, orchestrator, second, options);
  }
}

/**
 * Opens a session to a running server for one piece of work, and passes on what that returns or throws, while the session
 * ends; a server that is known to end with its input is not waited for. Throws what `openServer` throws.
 */
export async function onServer<T>(
  ports: Ports,
  { project, server }: OfServer,
  options: OpenOptions,
  work: (open: OpenServer) => Promise<T>,
): Promise<T> {
  const opening = (): Promise<OpenServer> => openServer(ports, project, server, options);
  const span = { name: 'looms.session.open', kind: 'internal', parent: options.within } as const;
  const open = await (options.within === undefined ? opening() : inSpan(await ports.tracing(), span, opening));
  let trusting = false;
  try {
    const done = await work(open);
    trusting = true;
    return done;
  } catch (error) {
    throw await saidReplaced(ports, { project, server }, open, error);
  } finally {
    // The end begins at once, also in a program that goes on; whoever asked is told meanwhile.
    const closed = open.session.close({ trusting });
    const forget = ports.atEnd(() => closed);
    closed.then(forget, forget);
  }
}

/** How long the engine may take to say what serves, for a hint, ms. */
const lookMs = 2_000;

/** What work on a server failed with; that its process ended is no fault of the server's where another generation serves by now. */
async function saidReplaced(
  ports: Ports,
  { project, server }: OfServer,
  { container, generation }: OpenServer,
  error: unknown,
): Promise<unknown> {
  if (!isFailure(error, 'server-exited')) return error;
  try {
    const orchestrator = await ports.orchestrator();
    const now = await orchestrator.serving(project, server, { signal: AbortSignal.timeout(lookMs) });
    // Of several that serve alike the shown one may be another.
    if (now.container === container || now.generation === generation) return error;
    const hint = `${server} was replaced meanwhile, and generation ${now.generation} serves; what was asked may have been done`;
    return withHint(error, hint);
  } catch {
    // Nothing is known to serve: what the error says of the process stands.
    return error;
  }
}

async function openSession(
  ports: Ports,
  orchestrator: Orchestrator,
  serving: Serving,
  options: OpenOptions,
): Promise<OpenServer> {
  const { container, generation, spec, secretPrints, listed } = serving;
  const bounds = options.boundsOf?.(serving);
  const target = await trustedTarget(ports, orchestrator, serving, options);
  const open = await ports.openSession();
  const session = await open(target, { ...options, ...bounds });
  return { container, generation, spec, session, ...defined({ secretPrints, listed }) };
}

/**
 * What a session of a container goes to, with its secrets, once its record may have them. Throws `record-untrusted`,
 * `secret-missing`.
 */
export async function trustedTarget(
  ports: Ports,
  { sessions }: Orchestrator,
  serving: Serving,
  { mayAskForTrust = true }: Pick<OpenOptions, 'mayAskForTrust'>,
): Promise<SessionTarget> {
  const { containerName, project, spec, foreignRecord, secretPrints } = serving;
  if ((!isHttp(spec) || ports.trust.acceptsAll) && foreignRecord !== undefined) {
    const record = untrustedRecord(`container ${containerName}`, {
      foreignRecord,
      recorded: { spec, image: serving.imageRef },
    });
    await requireTrust(ports, record, mayAskForTrust);
  }
  // A session of a stdio server looks its secrets up anyway; the process of an HTTP server has them already.
  if (isHttp(spec)) await knowSecrets(ports, spec, { project, foreignRecord, secretPrints });
  return sessionTarget(serving, sessions, ports.secrets);
}
