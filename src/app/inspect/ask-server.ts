import { LoomsError } from '../../model/errors.ts';
import type { Failure } from '../../model/events.ts';
import { failureOf } from '../../model/failure.ts';
import type { ContainerId, ProjectName, ServerName } from '../../model/ids.ts';
import { duration } from '../../model/times.ts';
import { defined } from '../../model/values/defined.ts';
import type { Ports } from '../ports.ts';
import { openServer } from '../talk/open-server.ts';
import { type HealthStep, stepTimer } from './health-steps.ts';

/** What a session to a server came to. */
export type Asked = {
  /** Session, handshake and list. */
  readonly steps: readonly HealthStep[];
  readonly answer: {
    readonly tools: number;
    readonly server: { readonly name: string; readonly version: string };
    readonly protocolVersion: string;
  } | null;
  readonly failure: Failure | null;
  /** Which container was asked; absent where no session came to be. */
  readonly met?: { readonly container: ContainerId; readonly generation: number };
  /** The container that was tried last; absent where none serves. */
  readonly tried?: ContainerId;
};

/** Added to the life of the session's process, ms, so that its own limit never comes before ours. */
const lifetimeSlackMs = 10_000;

/**
 * Opens a session, lists tools and closes it, all in `timeoutMs` (default: the `timeout_seconds` of what serves). Failures
 * are the answer, with the log's end.
 */
export async function askServer(
  ports: Ports,
  project: ProjectName,
  server: ServerName,
  { timeoutMs, signal }: { readonly timeoutMs?: number | undefined; readonly signal: AbortSignal },
): Promise<Asked> {
  const timer = stepTimer(['session', 'handshake', 'tools'], ports.monotonicMs);
  const began = ports.monotonicMs();
  let limitMs = timeoutMs ?? 0;
  let connected = false;
  let met: Asked['met'];
  let tried: ContainerId | undefined;
  try {
    const { session, container, generation } = await openServer(ports, project, server, {
      signal,
      fresh: true,
      mayAskForTrust: false,
      wakes: false,
      boundsOf: ({ container: one, spec }) => {
        tried = one;
        limitMs = timeoutMs ?? spec.mcp.timeoutSeconds * 1000;
        return { connectTimeoutMs: limitMs, lifetimeMs: limitMs + lifetimeSlackMs };
      },
      onConnected: () => {
        if (!connected) timer.done();
        connected = true;
      },
    });
    met = { container, generation };
    timer.done();
    const tooLate = AbortSignal.timeout(Math.max(0, Math.ceil(began + limitMs - ports.monotonicMs())));
    try {
      const { tools } = await session.listTools({ signal: AbortSignal.any([signal, tooLate]) });
      timer.done();
      const answer = { tools: tools.length, server: session.server, protocolVersion: session.protocolVersion };
      return { steps: timer.steps(), answer, failure: null, met };
    } finally {
      await session.close();
    }
  } catch (error) {
    if (!(error instanceof LoomsError)) throw error;
    const listTooSlow = error.code === 'interrupted' && !signal.aborted;
    const failure: Failure = listTooSlow
      ? {
          code: 'handshake-timeout',
          message: `${server} did not answer tools/list within ${duration(limitMs)}`,
          hint: 'raise --timeout, or mcp_server.timeout_seconds if it is always that slow',
          detail: error.detail,
        }
      : failureOf(error);
    return { steps: timer.steps(), answer: null, failure, ...defined({ met, tried }) };
  }
}
