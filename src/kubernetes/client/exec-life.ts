import { WebSocket } from 'ws';

/** How often a connection that nobody uses is, so that what lies in between does not cut it, ms. */
const pingMs = 20_000;
/** How many pings in a row may go unanswered where nothing of ours is in their way. */
const mostUnanswered = 3;

/**
 * Pings the other side of an exec until the socket closes, and cuts a connection whose other side is gone. The API server
 * answers a ping once it has handed on what was sent before, which it cannot while the process does not read its stdin:
 * so pings count as unanswered only where nothing was written since the last one that was answered.
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
    else if (unanswered >= mostUnanswered && writes === handedOn) return socket.terminate();
    last = { number: last.number + 1, writes };
    unanswered += 1;
    if (socket.readyState === WebSocket.OPEN) socket.ping(String(last.number));
  }, everyMs);
  timer.unref();
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
