import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { type WebSocket, WebSocketServer } from 'ws';
import type { ClusterAccess } from '../../src/kubernetes/client/access.ts';
import { connectCluster } from '../../src/kubernetes/client/cluster.ts';
import type { Cluster } from '../../src/kubernetes/port.ts';
import { authority } from './certificates.ts';

/** One request as it arrived. */
export type Arrived = {
  readonly method: string;
  readonly url: URL;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
  /** The name in the certificate of the client. */
  readonly client: string | undefined;
};

type Answer = (arrived: Arrived, response: ServerResponse) => void;
type OnExec = (socket: WebSocket, arrived: Arrived) => void;

export type ApiServer = {
  readonly url: string;
  readonly certificates: ReturnType<typeof authority>;
  readonly arrived: Arrived[];
  /** How the next requests are answered. */
  answer: Answer;
  /** What happens with an exec; absent: web sockets are refused by `answer`. */
  onExec: OnExec | undefined;
  /** The protocol that is agreed on, whatever is asked for. */
  protocol: string | undefined;
  /** How it is reached; by default with a token. */
  readonly access: (more?: Partial<ClusterAccess>) => ClusterAccess;
  readonly cluster: (more?: Partial<ClusterAccess>) => Cluster;
  readonly close: () => Promise<void>;
};

export const json = (response: ServerResponse, status: number, body: unknown, headers = {}): void =>
  void response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body));

/** What an API server says of what it did not do. */
export const failure = (code: number, reason: string, message: string) => ({
  kind: 'Status',
  apiVersion: 'v1',
  status: 'Failure',
  code,
  reason,
  message,
});

/** The last word on a process of an exec, as a message. */
export const lastWord = (status: object): Buffer => Buffer.concat([Buffer.of(3), Buffer.from(JSON.stringify(status))]);

/** Stands for an API server: a real server over TLS, whose answers are a test's. */
export async function apiServer(): Promise<ApiServer> {
  const certificates = authority();
  const clusters: Cluster[] = [];
  const arrivedAt = async (request: IncomingMessage): Promise<Arrived> => {
    let body = '';
    if (request.method !== 'GET') for await (const chunk of request) body += chunk;
    const subject = (request.socket as TLSSocket).getPeerCertificate?.()?.subject;
    const { method = '', headers } = request;
    const one = { method, url: new URL(request.url ?? '', 'https://a'), headers, body, client: subject?.CN as string };
    made.arrived.push(one);
    return one;
  };
  const { server: own, ca } = certificates;
  const server = createServer({ ...own, ca, requestCert: true, rejectUnauthorized: false }, async (request, response) =>
    made.answer(await arrivedAt(request), response),
  );
  const sockets = new WebSocketServer({ noServer: true, handleProtocols: () => made.protocol ?? false });
  server.on('upgrade', async (request, socket, head) => {
    const arrived = await arrivedAt(request);
    const { onExec } = made;
    if (onExec !== undefined) return sockets.handleUpgrade(request, socket, head, (one) => onExec(one, arrived));
    const lines: string[] = [];
    const response = {
      writeHead(status: number, headers: object) {
        lines.push(`HTTP/1.1 ${status} No`, ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`));
        return response;
      },
      end: (body = '') => socket.end([...lines, `content-length: ${Buffer.byteLength(body)}`, '', body].join('\r\n')),
    };
    made.answer(arrived, response as unknown as ServerResponse);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const url = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const access = (more: Partial<ClusterAccess> = {}): ClusterAccess => ({
    context: 'test',
    endpoint: url,
    trust: { ca: async () => ca, verify: true },
    identity: async () => ({ headers: { Authorization: 'Bearer one' } }),
    ...more,
  });
  const made: ApiServer = {
    url,
    certificates,
    arrived: [],
    answer: (_arrived, response) => json(response, 200, {}),
    onExec: undefined,
    protocol: 'v5.channel.k8s.io',
    access,
    cluster(more) {
      const cluster = connectCluster(access(more));
      clusters.push(cluster);
      return cluster;
    },
    async close() {
      for (const cluster of clusters) await cluster.close();
      for (const client of sockets.clients) client.terminate();
      server.closeAllConnections();
      server.close();
    },
  };
  return made;
}
