import type { DesiredServer } from '../../model/desired.ts';
import { LoomsError } from '../../model/errors.ts';
import type { HeaderFields, Id, Message } from '../messages/protocol.ts';
import type { Upstream } from '../upstreams.ts';

/** An answer of a server, still under the id that the leg asked with. */
export type Answered = {
  readonly text: string;
  readonly message: Message;
  /** Of the container that gave it. */
  readonly spec: DesiredServer;
};

/** A subscription of a client of the stateless revisions, which goes over to the container that serves next. */
type Subscription = {
  readonly message: Message;
  readonly headers: HeaderFields | undefined;
  /** Whether its client has heard what it is told of; another container's word of that is no news. */
  isTold: boolean;
  /** Ends it where the container that it went over to says nothing of it. */
  silence?: NodeJS.Timeout;
};

/** A request that waits for its answer. */
type Waiting = {
  readonly resolve: (answer: Answered) => void;
  readonly reject: (error: Error) => void;
  readonly subscription?: Subscription;
};

/** The way of a conversation to one process. */
export type Line = Upstream & {
  readonly pending: Map<Id, Waiting>;
  /** Nothing more is asked of it: the other side is gone, or another container serves by now. */
  isOver: boolean;
  /** From when on its successor is waited for, ms of a clock that never goes back: another container serves, and this one ends. */
  leavesAt?: number;
  /** Resolves once the tools of its container were held against those that the client knows. */
  compared?: Promise<void>;
};

export const tell = (line: Line, message: Message): Promise<void> =>
  line.channel.send(JSON.stringify(message), message);

const send = async (line: Line, message: Message, id: Id, headers: HeaderFields | undefined, waiting: Waiting) => {
  line.pending.set(id, waiting);
  const own = { ...message, id };
  try {
    await line.channel.send(JSON.stringify(own), own, headers);
  } catch (error) {
    line.pending.delete(id);
    throw error;
  }
};

/** Sends a request on a line. Throws `server-exited` when it surely did not get there. */
export async function askOn(
  line: Line,
  message: Message,
  id: Id,
  headers?: HeaderFields,
): Promise<{ readonly answer: Promise<Answered> }> {
  const { promise: answer, ...settle } = Promise.withResolvers<Answered>();
  answer.catch(() => {}); // Whoever waits for it hears of it as well.
  const isListen = message.method === 'subscriptions/listen';
  await send(line, message, id, headers, {
    ...settle,
    ...(isListen ? { subscription: { message, headers, isTold: false } } : {}),
  });
  return { answer };
}

/** Asks on a line for itself, within the bound of a handshake: after it nothing waits for the answer any more. */
export function askOnInTime(line: Line, message: Message, id: Id, headers?: HeaderFields): Promise<Answered> {
  const asked = askOn(line, message, id, headers).then(({ answer }) => answer);
  return inTime(line, message, asked, (why) => {
    // Nobody may cancel `initialize`; who waits for it closes the line.
    if (message.method === 'initialize') line.pending.delete(id);
    else giveUp(line, id, why);
  });
}

/** Tells on a line within the bound of a handshake: over HTTP a server says that it has heard. */
export const tellInTime = (line: Line, message: Message): Promise<void> =>
  inTime(line, message, tell(line, message), () => {});

async function inTime<T>(line: Line, message: Message, sent: Promise<T>, onLate: (why: string) => void): Promise<T> {
  const tooLate = Promise.withResolvers<never>();
  const timer = setTimeout(() => {
    const why = `${line.spec.name} did not answer ${message.method} in time`;
    onLate(why);
    tooLate.reject(new LoomsError('handshake-timeout', why));
  }, limitOf(line));
  try {
    return await Promise.race([sent, tooLate.promise]);
  } finally {
    clearTimeout(timer);
  }
}

const limitOf = ({ spec }: Line): number => spec.mcp.timeoutSeconds * 1000;

/** Tells the server that nobody waits for this request any more. False where nothing of it is under way here. */
export function giveUp(line: Line, id: Id, why: string): boolean {
  if (!line.pending.delete(id)) return false;
  if (!line.channel.drop(id)) {
    const params = { requestId: id, reason: why };
    tell(line, { jsonrpc: '2.0', method: 'notifications/cancelled', params }).catch(() => {}); // It is gone.
  }
  return true;
}

/** Takes note that a subscription is acknowledged; false where its client has heard that before. */
export function acknowledged(line: Line, subscriptionId: unknown): boolean {
  const known = [...line.pending].find(([id]) => String(id) === String(subscriptionId));
  const subscription = known?.[1].subscription;
  if (subscription === undefined) return true;
  clearTimeout(subscription.silence);
  const isNews = !subscription.isTold;
  subscription.isTold = true;
  return isNews;
}

/**
 * Has another container tell what clients listen to, under the same ids, and the one before it tell it no more. What cannot
 * be sent stays where it is. One that the container does not acknowledge within the bound of a handshake ends.
 */
export async function moveSubscriptions(from: Line, to: Line): Promise<void> {
  await Promise.all(
    [...from.pending].map(([id, waiting]) =>
      waiting.subscription === undefined ? undefined : moveOne(from, to, id, waiting, waiting.subscription),
    ),
  );
}

async function moveOne(from: Line, to: Line, id: Id, waiting: Waiting, subscription: Subscription): Promise<void> {
  clearTimeout(subscription.silence);
  subscription.silence = setTimeout(() => {
    if (!giveUp(to, id, 'it is not acknowledged')) return;
    const { name } = to.spec;
    waiting.reject(
      new LoomsError('server-exited', `what serves ${name} by now does not say what it tells; listen again`),
    );
  }, limitOf(to));
  subscription.silence.unref();
  try {
    await send(to, subscription.message, id, subscription.headers, waiting);
  } catch {
    clearTimeout(subscription.silence);
    return;
  }
  // Its client may have left meanwhile.
  if (!giveUp(from, id, 'another container serves')) giveUp(to, id, 'nobody listens any more');
}
