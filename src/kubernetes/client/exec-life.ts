import { WebSocket } from 'ws';

/** How often a connection that nobody uses is, so that what lies in between does not cut it, ms. */
const pingMs = 20_000;
/** How many pings in a row may go unanswered where nothing of ours is in their way. */
const mostUnanswered = 3;
/**
 * How many in a row where something is. A connection that was lost on the way looks like a process that does not read: whoever
 * writes every few seconds would otherwise have it until TCP gives up, some 15 minutes later.
 */
const mostBlocked = 9;

/**
 * Pings the other side of an exec until the socket closes, and cuts a connection whose other side is gone. The API server
 * answers a ping once it has handed on what was sent before, which it cannot while the process does not read its stdin:
 * so where something was written since the last ping that was answered, more of them may go unanswered. What the process says
 * is an answer, too.
 */
export function keepAlive(
  socket: WebSocket,
  isPaused: () => boolean,
  everyMs = pingMs,
): { readonly wrote: () => void } {
  let writes = 0;
  let handedOn = 0;
  let unanswered = 0;
  let last = { number: 0, writes: 0 };
  const timer = setInterval(() => {
    if (isPaused()) unanswered = 0;
    else if (unanswered >= (writes === handedOn ? mostUnanswered : mostBlocked)) return socket.terminate();
    last = { number: last.number + 1, writes };
    unanswered += 1;
    if (socket.readyState === WebSocket.OPEN) socket.ping(String(last.number));
  }, everyMs);
  timer.unref();
  socket.on('message', () => {
    unanswered = 0;
  });
  socket.on('pong', (data) => {
    unanswered = 0;
    if (data.toString() === String(last.number)) handedOn = last.writes;
  });
  socket.once('close', () => clearInterval(timer));
  return {
    wrote() {
      writes += 1;
    },
  };
}
