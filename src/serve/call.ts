import type { CallClocks } from '../mcp/client/call-clock.ts';
import type { DesiredServer } from '../model/desired.ts';
import { LoomsError } from '../model/errors.ts';
import { messageOf } from '../model/failure.ts';
import { isRecord } from '../model/is-record.ts';
import { duration } from '../model/times.ts';
import { whyRefused } from './filter.ts';
import type { Answered, Asked, Leg } from './leg.ts';
import { code, errorText, type Message, paramsOf } from './message.ts';
import type { CallOutcome, Operation, Upstreams } from './upstreams.ts';

/** One request of a client to a server, and what it is bounded and written down by. */
export type Request = {
  readonly upstreams: Upstreams;
  readonly leg: Leg;
  readonly message: Message & { readonly id: string | number };
  readonly headers?: Readonly<Record<string, string>>;
  readonly clocks: CallClocks;
  readonly principal: string;
  readonly protocolVersion: string;
  /** Hears of the request once it is under way, for those who may want to cancel it. */
  readonly onAsked: (asked: Asked) => void;
  /** Throws where a server of this spec is not to be asked. */
  readonly admit?: (spec: DesiredServer) => void;
};

/** The bound of a call that took too long; what it is of says whoever tells the client. */
export const tookTooLong = (): LoomsError => new LoomsError('call-timeout', 'the call took too long');

/** Asks within the bound of the server's `execution_timeout_seconds`. Throws `call-timeout`, and what ended it. */
export async function askInTime({
  upstreams,
  leg,
  message,
  headers,
  clocks,
  onAsked,
  admit,
}: Request): Promise<Answered> {
  const { spec } = await leg.ready();
  const since = performance.now();
  const ended = (end: Operation['end']): void =>
    upstreams.ended?.({ server: leg.server, message, seconds: (performance.now() - since) / 1000, end });
  const limitMs = spec.limits.executionTimeoutSeconds * 1000;
  const clock = clocks.start(limitMs);
  const asked = leg.ask(message, headers, admit);
  onAsked(asked);
  clock.signal.addEventListener('abort', () => {
    const what = `${message.method} of ${leg.server}`;
    asked.cancel(new LoomsError('call-timeout', `${what} took longer than ${duration(limitMs)}`));
  });
  try {
    const answered = await asked.answer;
    ended({ kind: 'answered', answer: answered.message });
    return answered;
  } catch (error) {
    ended({ kind: 'failed', code: error instanceof LoomsError ? error.code : 'internal' });
    throw error;
  } finally {
    clock.stop();
  }
}

/** The answer to a `tools/call`, under the leg's id or the client's; refused ones are answered and written down here. */
export async function callTool(request: Request): Promise<string> {
  const { upstreams, leg, message, principal, protocolVersion } = request;
  const { container, generation, spec } = await leg.ready();
  const { name, arguments: args } = paramsOf(message);
  const call = {
    container,
    generation,
    spec,
    principal,
    protocolVersion,
    tool: typeof name === 'string' ? name : '',
    arguments: isRecord(args) ? args : {},
  };
  const why = whyRefused(spec.mcp.tools, message);
  if (why !== undefined) {
    await upstreams.refused(call);
    return errorText(message.id, code.invalidParams, why);
  }
  let made: { readonly answered: Answered } | { readonly error: unknown } | undefined;
  const make = async (): Promise<CallOutcome> => {
    try {
      // While it is written down, another generation may have come to serve, with a filter of its own.
      const answered = await askInTime({ ...request, admit: (now) => requireAllowed(now, message) });
      made = { answered };
      return outcomeOf(answered);
    } catch (error) {
      made = { error };
      return {
        kind: 'failed',
        code: error instanceof LoomsError ? error.code : 'internal',
        message: messageOf(error),
      };
    }
  };
  await upstreams.record(call, make);
  if (made !== undefined && 'answered' in made) return made.answered.text;
  throw made?.error ?? new LoomsError('internal', 'a call was recorded and not made');
}

function requireAllowed({ mcp }: DesiredServer, message: Message): void {
  const why = whyRefused(mcp.tools, message);
  if (why !== undefined) throw new LoomsError('tool-not-found', why);
}

const outcomeOf = ({ message }: Answered): CallOutcome =>
  isRecord(message.result)
    ? { kind: 'result', result: message.result }
    : { kind: 'failed', code: 'json-rpc-error', message: 'the server answered with an error' };

/** What a client is told of a failure; nothing of a server's log. */
export function failureText(id: string | number | null, error: unknown): string {
  if (!(error instanceof LoomsError)) return errorText(id, code.internal, 'the gateway failed; its log says more');
  const { code: kind, hint } = error;
  return errorText(id, code.internal, error.message, { code: kind, ...(hint === undefined ? {} : { hint }) });
}

/** The HTTP status of a failure before a server was asked. */
export function statusOfFailure(error: unknown): number {
  if (!(error instanceof LoomsError)) return 502;
  if (error.code === 'server-not-found') return 404;
  return error.code === 'refused' ? 503 : 502;
}
