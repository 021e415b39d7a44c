import type { CallClocks } from '../mcp/client/call-clock.ts';
import type { DesiredServer } from '../model/desired.ts';
import { codeOf, isFailure, LoomsError } from '../model/errors.ts';
import { messageOf } from '../model/failure.ts';
import { duration } from '../model/times.ts';
import type { Span, TraceContext } from '../model/trail/tracing.ts';
import { isRecord } from '../model/values/is-record.ts';
import type { Guard } from './access/guard.ts';
import { answerText } from './face.ts';
import { whyRefused } from './filter.ts';
import type { Asked, Leg } from './leg/leg.ts';
import type { Answered } from './leg/line.ts';
import { errorText, paramsOf } from './messages/message.ts';
import { code, type HeaderFields, type Message } from './messages/protocol.ts';
import type { Reply } from './messages/reply.ts';
import { asClient, asPart, asServer, endedWith, type Traced } from './traced.ts';
import type { CallOutcome, Operation } from './upstreams.ts';

/** One request of a client to a server, and what it is bounded and written down by. */
export type Request = Traced & {
  readonly leg: Leg;
  readonly headers?: HeaderFields;
  readonly clocks: CallClocks;
  /** Of whoever asks. */
  readonly guard: Guard;
  /** Hears of the request once it is under way, for those who may want to cancel it. */
  readonly onAsked: (asked: Asked) => void;
  /** Hears of the answer as the server gave it. */
  readonly onAnswered?: (answered: Answered) => void;
  /** Throws where a server of this spec is not to be asked. */
  readonly admit?: (spec: DesiredServer) => void;
};

/** The bound of a call that took too long; what it is of says whoever tells the client. */
export const tookTooLong = (): LoomsError => new LoomsError('call-timeout', 'the call took too long');

/** Works on a request whose process makes no room meanwhile, also before it is asked; a ping needs none. */
async function onHeldLeg(asked: Request, work: (request: Request, span: Span) => Promise<string>): Promise<string> {
  const release = asked.message.method === 'ping' ? () => {} : asked.leg.hold();
  try {
    return await asServer(asked, asked.leg.server, work);
  } finally {
    release();
  }
}

/** The answer to a request that is no call, under the leg's id, as the principal may see it. Throws as `askInTime`. */
export const askGuarded = (asked: Request): Promise<string> =>
  onHeldLeg(asked, async (request, span) => {
    const { guard, leg } = request;
    if (request.within !== undefined) await leg.ready(request.within);
    const message = await asPart(request, 'looms.policy', () => guard.admit(leg, request.message));
    const answered = await askInTime({ ...request, message });
    endedWith(span, answered.message);
    request.onAnswered?.(answered);
    return guard.shown(leg.server, message, answerText(message, answered));
  });

/** Asks within the bound of the server's `execution_timeout_seconds`. Throws `call-timeout`, and what ended it. */
export async function askInTime(request: Request): Promise<Answered> {
  const { spec } = await request.leg.ready(request.within);
  return asClient(request, spec, (message, span) => askOf({ ...request, message }, spec, span));
}

async function askOf(
  { upstreams, leg, message, headers, clocks, onAsked, admit }: Request,
  spec: DesiredServer,
  span: Span,
): Promise<Answered> {
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
    endedWith(span, answered.message);
    return answered;
  } catch (error) {
    ended({ kind: 'failed', code: codeOf(error) });
    throw error;
  } finally {
    clock.stop();
  }
}

/** The answer to a `tools/call`, under the leg's id or the client's; refused ones are answered and written down here. */
export const callTool = (asked: Request): Promise<string> => onHeldLeg(asked, makeCall);

async function makeCall(request: Request, span: Span): Promise<string> {
  const { upstreams, leg, message: asked, guard, protocolVersion, within } = request;
  const { container, generation, spec } = await leg.ready(within);
  const { name, arguments: args } = paramsOf(asked);
  /** The span of what the server is asked. */
  let ofClient: TraceContext | undefined;
  const onSpan = (context: TraceContext): void => {
    ofClient = context;
  };
  const call = {
    container,
    generation,
    spec,
    principal: guard.name,
    protocolVersion,
    tool: typeof name === 'string' ? name : '',
    arguments: isRecord(args) ? args : {},
    within: within && (() => ofClient ?? within),
  };
  const why = whyRefused(spec.mcp.tools, asked);
  if (why !== undefined) {
    span.fail('tool-not-found');
    await upstreams.refused(call, 'tool-not-found');
    return errorText(asked.id, code.invalidParams, why);
  }
  let message: typeof asked;
  try {
    message = await asPart(request, 'looms.policy', () => guard.admit(leg, asked));
  } catch (error) {
    if (error instanceof LoomsError && isRefusal(error)) await upstreams.refused(call, error.code);
    throw error;
  }
  let made: { readonly answered: Answered } | { readonly error: unknown } | undefined;
  const make = async (): Promise<CallOutcome> => {
    try {
      // While it is written down, another generation may have come to serve, with a filter of its own.
      const answered = await askInTime({ ...request, message, onSpan, admit: (now) => requireAllowed(now, message) });
      made = { answered };
      endedWith(span, answered.message);
      return outcomeOf(answered);
    } catch (error) {
      made = { error };
      return {
        kind: 'failed',
        code: codeOf(error),
        message: messageOf(error),
      };
    }
  };
  await upstreams.record(call, make);
  if (made !== undefined && 'answered' in made) return guard.shown(leg.server, message, made.answered.text);
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

const isRefusal = ({ code: kind }: LoomsError): boolean => kind === 'insufficient-scope' || kind === 'refused';

/** Answers with a failure: one for want of a scope as OAuth has it (RFC 6750, 3.1), where it is the first that is said. */
export function answerFailure(reply: Reply, id: string | number, error: unknown, status = 200): void {
  const isScope = isFailure(error, 'insufficient-scope');
  if (isScope) reply.answer(failureText(id, error), 403, error.detail);
  else reply.answer(failureText(id, error), status);
}

/** What a client is told of a failure; nothing of a server's log. */
export function failureText(id: string | number | null, error: unknown): string {
  if (!(error instanceof LoomsError)) return errorText(id, code.internal, 'the gateway failed; its log says more');
  const { code: kind, detail } = error;
  // Of a server that is not there it names the others, and a token with a pattern may not know of all.
  const hint = kind === 'server-not-found' ? undefined : error.hint;
  return errorText(id, isRefusal(error) ? code.invalidRequest : code.internal, error.message, {
    code: kind,
    ...(hint === undefined ? {} : { hint }),
    ...(kind === 'insufficient-scope' ? { scope: detail.join(' ') } : {}),
  });
}

/** The HTTP status of a failure before a server was asked. */
export function statusOfFailure(error: unknown): number {
  if (!(error instanceof LoomsError)) return 502;
  if (error.code === 'server-not-found') return 404;
  if (error.code === 'sessions-busy') return 503;
  // What a rule or a quota forbids was answered, and does not become allowed by trying again.
  return isRefusal(error) ? 200 : 502;
}
