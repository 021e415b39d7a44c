import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { eventually } from '../support/eventually.ts';
import { inCluster } from '../support/in-cluster.ts';
import { kubectl, kubectlJson, kubectlProgram, kubectlSays } from '../support/kubectl.ts';
import { tinySpec } from '../support/tiny-server.ts';

/** The image of deploy/Dockerfile with what it has of packages: Git, for looms and for what stands for a forge. */
const image = process.env.LOOMS_TEST_IMAGE_WITH_GIT ?? '';
const isHere = kubectlProgram !== '' && image !== '';
if (!isHere) console.log('skipped: LOOMS_TEST_IMAGE_WITH_GIT names no image of looms with Git (npm run test:kube)');

/** Git over HTTP for who has a token, as a forge gives it: /team/servers.git, whose files are in ~/servers. */
const forge = `
const { spawn, execSync } = require('node:child_process');
execSync('git init -q -b main servers && mkdir -p team && ln -sfn ../servers/.git team/servers.git', { cwd: process.env.HOME });
require('node:http').createServer((request, response) => {
  const [path, query = ''] = request.url.split('?');
  const allowed = 'Basic ' + Buffer.from('looms:' + process.env.TOKEN).toString('base64');
  if (request.headers.authorization !== allowed) return response.writeHead(401, { 'www-authenticate': 'Basic realm="git"' }).end();
  const { 'content-type': type = '', 'git-protocol': protocol = '', 'content-encoding': encoding = '' } = request.headers;
  const env = { ...process.env, GIT_PROJECT_ROOT: process.env.HOME, GIT_HTTP_EXPORT_ALL: '1', PATH_INFO: path, QUERY_STRING: query, REQUEST_METHOD: request.method, CONTENT_TYPE: type, GIT_PROTOCOL: protocol, HTTP_CONTENT_ENCODING: encoding };
  const cgi = spawn('git', ['http-backend'], { env, stdio: ['pipe', 'pipe', 'inherit'] });
  request.pipe(cgi.stdin);
  const said = [];
  cgi.stdout.on('data', (chunk) => said.push(chunk)).on('end', () => {
    const all = Buffer.concat(said);
    const end = all.indexOf('\\r\\n\\r\\n');
    const headers = Object.fromEntries(all.subarray(0, end).toString().split('\\r\\n').map((line) => line.split(': ')));
    response.writeHead(Number.parseInt(headers.Status ?? '200', 10), headers).end(all.subarray(end + 4));
  });
}).listen(8080, () => console.log('listening'));
`;

type Deployment = {
  readonly metadata: { readonly annotations: Readonly<Record<string, string>> };
  readonly spec: {
    readonly template: {
      readonly spec: {
        readonly containers: readonly { readonly resources: { readonly limits: { memory: string } } }[];
      };
    };
  };
};

describe.skipIf(!isHere)('deploy/kubernetes with specs from a Git repository', () => {
  const project = `git-${randomBytes(3).toString('hex')}`;
  const at = inCluster(project, image);
  const place = `forge-${project}`;
  const token = randomBytes(12).toString('hex');
  const inForge = (script: string, stdin = ''): Promise<string> =>
    kubectlSays(['-n', place, 'exec', '-i', 'forge', '--', 'sh', '-ec', script], stdin);
  const logs = () => kubectlSays(['-n', at.home, 'logs', 'deployment/looms', '--tail=-1']);
  const deployment = () => kubectlJson<Deployment>(['-n', at.namespace, 'get', 'deployment', 'looms-fs']);
  const memory = async () => (await deployment()).spec.template.spec.containers[0]?.resources.limits.memory;
  /** Commits a file of specs; the commit. */
  const commit = async (text: string): Promise<string> => {
    const who = '-c user.name=Ann -c user.email=ann@example.com';
    const script = `cd ~/servers; mkdir -p specs; cat >specs/fs.yaml; git add -A; git ${who} commit -qm specs; git rev-parse HEAD`;
    return (await inForge(script, text)).trim();
  };
  const spec = (memoryMiB: number): string =>
    stringify(
      JSON.parse(
        tinySpec({ name: 'fs', memoryMiB, backend: { resource_limits: { memory_mb: memoryMiB, pids_limit: 40 } } }),
      ),
    );

  beforeAll(async () => {
    const pod = {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: 'forge', namespace: place },
      spec: {
        containers: [
          {
            name: 'forge',
            image,
            imagePullPolicy: 'IfNotPresent',
            command: ['node', '-e', forge],
            env: [{ name: 'TOKEN', value: token }],
            readinessProbe: { tcpSocket: { port: 8080 }, periodSeconds: 1 },
          },
        ],
      },
    };
    const namespace = { apiVersion: 'v1', kind: 'Namespace', metadata: { name: place } };
    await kubectlSays(['apply', '-f', '-'], [namespace, pod].map((one) => stringify(one)).join('---\n'));
    await kubectlSays(['-n', place, 'wait', '--for=condition=Ready', 'pod/forge', '--timeout=60s']);
    const { status } = await kubectlJson<{ status: { podIP: string } }>(['-n', place, 'get', 'pod', 'forge']);
    await commit(spec(256));
    at.follow(`http://${status.podIP}:8080`, token);
    await at.apply(tinySpec({ name: 'unused' }));
    await kubectlSays(['-n', at.home, 'rollout', 'status', 'deployment/looms', '--timeout=90s']).catch(
      async (error) => {
        throw new Error(`${error.message}\n${await kubectlSays(['-n', at.home, 'describe', 'pods'])}\n${await logs()}`);
      },
    );
  }, 180_000);
  afterAll(async () => {
    await at.clean();
    await kubectl(['delete', 'namespace', place, '--wait=false']);
  });

  it('makes the servers of the repository, and none of the ConfigMap', async () => {
    await eventually(async () => expect(await logs()).toContain('in sync: 1 server as declared'), 60_000);
    expect(await memory()).toBe('256Mi');
    const names = await kubectlSays(['-n', at.namespace, 'get', 'deployments', '-o', 'name']);
    expect(names.trim()).toBe('deployment.apps/looms-fs');
    // With the line of the field in the file of the repository.
    expect(await logs()).toMatch(
      /warning: fs: docker_backend\.resource_limits\.pids_limit: .* \(\S*specs\/fs\.yaml:7\)/,
    );
  }, 90_000);

  it('applies a commit that comes, and says which', async () => {
    const id = await commit(spec(264));
    await eventually(async () => expect(await memory(), await logs()).toBe('264Mi'), 60_000);
    expect(await logs()).toContain(`1 server at ${id.slice(0, 12)} (Ann <ann@example.com>, not signed)`);
  }, 90_000);

  it('keeps what runs where a commit cannot be used, says so, and goes on with the one that mends it', async () => {
    const before = (await deployment()).metadata.annotations['looms.dev/generation'];
    await commit('name: fs\ndocker_backend: { base_image: [ }\n');
    await eventually(
      async () => expect(await logs()).toMatch(/cannot be used, and what they said before stays in force/),
      60_000,
    );
    expect((await deployment()).metadata.annotations['looms.dev/generation']).toBe(before);
    await commit(spec(272));
    await eventually(async () => expect(await memory(), await logs()).toBe('272Mi'), 60_000);
  }, 150_000);

  it('tells no token, in what it logs and in what it made', async () => {
    const made = await kubectlSays([
      '-n',
      at.namespace,
      'get',
      'deployments,replicasets,pods,configmaps',
      '-o',
      'yaml',
    ]);
    expect(made).toContain('looms-fs');
    expect([(await logs()).includes(token), made.includes(token)]).toEqual([false, false]);
  }, 30_000);
});
