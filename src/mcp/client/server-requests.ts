import type { Client, JSONRPCMessage, JSONRPCRequest } from '@modelcontextprotocol/client';
import { LoomsError } from '../../model/errors.ts';
import { isExactNumber } from '../../model/values/exact-number.ts';
import { isRecord } from '../../model/values/is-record.ts';
import { markNumber } from './answers/exact-results.ts';
import { isSchema } from './arguments/schema.ts';
import type { CallClocks } from './call-clock.ts';
import type { HooksInUse } from './call-hooks.ts';
import type { Answer, AnswerValue, Question, SessionOptions } from './session.ts';

type Hooks = Pick<SessionOptions, 'answer' | 'onLog' | 'onRefused'>;

/** Tells of log messages and of requests turned down, before the client sees them and answers by itself. */
export function createObserver(hooks: Hooks, inUse: Pick<HooksInUse, 'ofOnlyCall'>): (message: JSONRPCMessage) => void {
  return (message) => {
    if (!('method' in message)) return;
    if (message.method === 'notifications/message') {
      const params = isRecord(message.params) ? message.params : {};
      const onLog = inUse.ofOnlyCall()?.onLog ?? hooks.onLog;
      onLog?.({
        level: typeof params.level === 'string' ? params.level : 'info',
        ...(typeof params.logger === 'string' ? { logger: params.logger } : {}),
        text: typeof params.data === 'string' ? params.data : (JSON.stringify(params.data) ?? ''),
      });
      return;
    }
    if (!('id' in message)) return;
    const why = whyRefused(message, hooks);
    if (why !== undefined) hooks.onRefused?.({ what: message.method, why });
  };
}

/** Gives a 2026-07-28 result its missing type (basic/index, "Result types"), which the client would refuse. */
export function assumeComplete(message: JSONRPCMessage): void {
  if ('result' in message && isRecord(message.result)) message.result.resultType ??= 'complete';
}

function whyRefused(message: JSONRPCRequest, { answer }: Hooks): string | undefined {
  switch (message.method) {
    case 'ping':
      return undefined;
    case 'sampling/createMessage':
      return 'looms has no model to ask';
    case 'roots/list':
      return 'looms shows servers no folders but their volume_mounts';
    case 'elicitation/create': {
      const { mode } = isRecord(message.params) ? message.params : {};
      if (mode === 'url') return 'looms opens no pages';
      return answer === undefined ? 'nobody can be asked' : undefined;
    }
    default:
      return 'looms does not know it';
  }
}

/** How long the questions of one session may stay open altogether, ms: its process lives that much longer at most. */
export const answerAllowanceMs = 10 * 60_000;

/** Questions that one session answers: an honest server asks a few, and one that never stops asks for nothing. */
const mostQuestions = 50;

const tooManyQuestions = (server: string): LoomsError =>
  new LoomsError('input-refused', `${server} asked more than ${mostQuestions} questions during one session`, {
    hint: 'the call was ended; a server that asks without end is at fault',
  });

/** Lets a client answer its server while calls stand still; over `mostQuestions` they end with `input-refused`. */
export function answerQuestions(
  client: Client,
  server: string,
  {
    answer,
    clocks,
    hooksInUse,
  }: {
    readonly answer: NonNullable<Hooks['answer']>;
    readonly clocks: CallClocks;
    readonly hooksInUse: Pick<HooksInUse, 'ofOnlyCall' | 'ofCaller'>;
  },
) {
  let leftMs = answerAllowanceMs;
  let asked = 0;
  client.setRequestHandler('elicitation/create', async (request, { mcpReq }) => {
    asked += 1;
    if (asked > mostQuestions) {
      clocks.endAll(tooManyQuestions(server));
      return { action: 'cancel' as const };
    }
    const { params } = request;
    const schema = 'requestedSchema' in params && isSchema(params.requestedSchema) ? params.requestedSchema : {};
    const question: Question = { server, message: params.message, schema };
    const started = performance.now();
    // A request of the server's own comes in the context of whatever was sent last, which says nothing of it.
    const { onQuestion } =
      (client.getProtocolEra() === 'modern' ? hooksInUse.ofCaller() : hooksInUse.ofOnlyCall()) ?? {};
    const given = await clocks.whileHeld(() =>
      (onQuestion ?? answer)(
        question,
        AbortSignal.any([mcpReq.signal, AbortSignal.timeout(Math.max(1, Math.ceil(leftMs)))]),
      ),
    );
    leftMs -= performance.now() - started;
    return asResult(given);
  });
}

function sendable(value: AnswerValue): string | number | boolean | string[] {
  if (isExactNumber(value)) return markNumber(value.rawJSON);
  return typeof value === 'object' ? [...value] : value;
}

const asResult = (given: Answer) =>
  given.action === 'accept'
    ? {
        action: given.action,
        content: Object.fromEntries(Object.entries(given.content).map(([key, value]) => [key, sendable(value)])),
      }
    : { action: given.action };
