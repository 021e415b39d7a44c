import { createServer, type Server } from 'node:http';
import { type MetricFamily, metricsText } from '../model/trail/metrics.ts';
import { loopback, misdirected } from './access/access.ts';
import { commonFamilies } from './metrics.ts';

/** A loop that keeps servers as they are declared, as far as one who asks for its health wants to know. */
export type LoopStatus = {
  readonly isAlive: () => boolean;
  readonly isReady: () => boolean;
  readonly families: () => readonly MetricFamily[];
};

/** What is told at `/metrics` beside what is counted here: what servers take. */
export type Measured = () => Promise<readonly MetricFamily[]>;

/** What is answered at an address for whoever looks after the program. */
export type StatusAnswer = { readonly status: number; readonly type: string; readonly text: string };

const json = (isFine: boolean, value: object): StatusAnswer => ({
  status: isFine ? 200 : 503,
  type: 'application/json',
  text: JSON.stringify(value),
});

/** `/healthz`: whether the program should go on as it is. `more` is what else it says. */
export function healthAnswer(loop: LoopStatus | undefined, more: object): StatusAnswer {
  if (loop === undefined) return json(true, more);
  const isAlive = loop.isAlive();
  return json(isAlive, { ...more, watch: isAlive ? 'alive' : 'stuck' });
}

/** `/readyz`: whether it can do its work now. */
export function readyAnswer(loop: LoopStatus | undefined, engineUp: boolean): StatusAnswer {
  const ready = engineUp && loop?.isReady() !== false;
  return json(ready, { ready });
}

export const metricsAnswer = (text: string): StatusAnswer => ({
  status: 200,
  type: 'text/plain; version=0.0.4; charset=utf-8',
  text,
});

/** Connections at once: whoever asks without end must not take what the loop needs for the engine and for Git. */
const mostConnections = 500;

/** A server of HTTP that tells of a loop and does nothing else, not listening yet; names of servers are what it tells. */
export function createStatusServer(
  loop: LoopStatus,
  {
    host,
    version,
    engineAnswers,
    measured,
  }: {
    readonly host: string;
    readonly version: string;
    readonly engineAnswers: () => Promise<boolean>;
    readonly measured: Measured;
  },
): Server {
  let looking: Promise<boolean> | undefined;
  /** One look for all who ask meanwhile: nobody needs a token here, and each look is a listing on the engine. */
  const engineUp = (): Promise<boolean> => {
    looking ??= engineAnswers().finally(() => {
      looking = undefined;
    });
    return looking;
  };
  const answer = async (path: string): Promise<StatusAnswer> => {
    if (path === '/healthz') return healthAnswer(loop, {});
    if (path === '/readyz') return readyAnswer(loop, await engineUp());
    if (path !== '/metrics')
      return { status: 404, type: 'text/plain', text: 'there are /healthz, /readyz and /metrics\n' };
    const [isUp, families] = await Promise.all([engineUp(), measured()]);
    return metricsAnswer(
      metricsText([...commonFamilies({ version, engineUp: isUp }), ...families, ...loop.families()]),
    );
  };
  const server = createServer({ requestTimeout: 10_000, headersTimeout: 10_000 }, async (request, response) => {
    // Where others may ask, they need no page of a foreign site for it, and call it by names of their own.
    const wrong = loopback.test(host) ? misdirected({ kind: 'tcp', host }, request.headers) : undefined;
    const isRead = request.method === 'GET' || request.method === 'HEAD';
    const path = (request.url ?? '').split('?')[0] ?? '';
    const { status, type, text }: StatusAnswer =
      wrong !== undefined
        ? { status: 403, type: 'text/plain', text: `${wrong}\n` }
        : isRead
          ? await answer(path)
          : { status: 405, type: 'text/plain', text: 'only GET\n' };
    response.writeHead(status, { 'content-type': type, ...(status === 405 ? { allow: 'GET, HEAD' } : {}) }).end(text);
  });
  server.maxConnections = mostConnections;
  return server;
}
