import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { json } from 'node:stream/consumers';

/** How a stand-in for Vault is set up; all of it may be changed while it runs. */
export type VaultWorld = {
  /** `NAMESPACE/MOUNT/PATH`, without a namespace `MOUNT/PATH`: what the entry holds; null: its version was deleted. */
  entries: Record<string, Readonly<Record<string, unknown>> | null>;
  /** Role id to secret id, and Kubernetes role to the token of its pod. */
  appRoles: Record<string, string>;
  podTokens: Record<string, string>;
  /** Tokens and their leases, seconds; `whole` is what they were made with. */
  tokens: Record<string, { ttl: number; whole: number; renewable: boolean }>;
  /** Paths below `v1/` that no token may read. */
  denied: string[];
  /** How long a login's token lives, seconds, and whether it can be renewed. */
  login: { seconds: number; renewable: boolean };
  state: 'ready' | 'sealed' | 'hangs' | 'standby' | 'broken';
};

export type VaultServer = VaultWorld & {
  readonly address: string;
  /** `METHOD path` of each request, in order. */
  readonly requests: string[];
  readonly close: () => Promise<void>;
};

/** What a real Vault answers, as its documentation and its own client's fixtures record it. */
function answerOf(world: VaultWorld, request: IncomingMessage, body: unknown): readonly [number, unknown] {
  const [path = '', query] = (request.url ?? '').replace('/v1/', '').split('?');
  const token = String(request.headers['x-vault-token'] ?? '');
  const sent = (body ?? {}) as Record<string, string>;
  const failed = (status: number, ...errors: string[]) => [status, { errors }] as const;
  const auth = (client_token: string, lease_duration: number, renewable: boolean) =>
    [
      200,
      { request_id: 'r', data: null, auth: { client_token, lease_duration, renewable, policies: ['looms'] } },
    ] as const;
  const logIn = () => {
    const fresh = `hvs.login-${Object.keys(world.tokens).length}`;
    world.tokens[fresh] = { ttl: world.login.seconds, whole: world.login.seconds, renewable: world.login.renewable };
    return auth(fresh, world.login.seconds, world.login.renewable);
  };
  if (world.state === 'sealed') return failed(503, 'Vault is sealed');
  if (world.state === 'standby') return [307, ''];
  if (world.state === 'broken') return failed(500, `internal error with ${token}`);
  if (path.startsWith('auth/approle') || path === 'auth/ci/login') {
    return world.appRoles[sent.role_id ?? ''] === sent.secret_id && sent.secret_id !== undefined
      ? logIn()
      : failed(400, `invalid role or secret ID ${sent.secret_id}`);
  }
  if (path === 'auth/kubernetes/login') {
    return world.podTokens[sent.role ?? ''] === sent.jwt && sent.jwt !== undefined
      ? logIn()
      : failed(403, 'permission denied');
  }
  const lease = world.tokens[token];
  if (lease === undefined || world.denied.includes(path)) {
    return failed(403, '1 error occurred:\n\t* permission denied\n\n');
  }
  if (path === 'auth/token/lookup-self') {
    const { ttl, whole, renewable } = lease;
    return [200, { data: { id: token, ttl, creation_ttl: whole, renewable } }];
  }
  if (path === 'auth/token/renew-self') {
    if (!lease.renewable) return failed(400, 'lease is not renewable');
    lease.ttl = lease.whole;
    return auth(token, lease.whole, true);
  }
  const namespace = request.headers['x-vault-namespace'];
  const place = `${namespace === undefined ? '' : `${namespace}/`}${path}`.split('/').map(decodeURIComponent).join('/');
  if (query === 'list=true') {
    const folder = `${place.replace('/metadata', '').replace(/\/$/, '')}/`;
    const keys = Object.keys(world.entries).flatMap((key) =>
      key.startsWith(folder) ? [key.slice(folder.length)] : [],
    );
    return keys.length === 0 ? failed(404) : [200, { data: { keys } }];
  }
  const entry = world.entries[place.replace('/data/', '/')];
  if (entry === undefined) return failed(404);
  const metadata = { version: 1, destroyed: false, deletion_time: entry === null ? '2026-11-01T00:00:00Z' : '' };
  return [entry === null ? 404 : 200, { data: { data: entry, metadata }, lease_duration: 0, renewable: false }];
}

/** A stand-in for HashiCorp Vault on loopback. */
export async function startVault(world: Partial<VaultWorld> = {}): Promise<VaultServer> {
  const requests: string[] = [];
  const vault = {
    ...{ entries: {}, appRoles: {}, podTokens: {}, tokens: {}, denied: [], state: 'ready' as const },
    login: { seconds: 3600, renewable: true },
    ...world,
    requests,
  };
  const server = createServer(async (request, response) => {
    requests.push(`${request.method} ${request.url}`);
    if (vault.state === ('hangs' as VaultWorld['state'])) return;
    const body = request.method === 'POST' ? await json(request) : undefined;
    if (request.headers['x-vault-request'] !== 'true') {
      response.writeHead(412).end();
      return;
    }
    const [status, answer] = answerOf(vault, request, body);
    response.writeHead(status, { 'content-type': 'application/json', location: 'http://203.0.113.1:8200/' });
    response.end(JSON.stringify(answer));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const close = async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  };
  return Object.assign(vault, { address: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, close });
}
