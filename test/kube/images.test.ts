import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import Docker from 'dockerode';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { emptyFolder, type Finished, looms } from '../support/looms.ts';
import { startRegistry, type TestRegistry } from '../support/registry.ts';
import { specs, tinySpec } from '../support/tiny-server.ts';

const runFile = promisify(execFile);

/** The cluster of `npm run test:kube`, and the network of its node; another cluster has no way to a registry of ours. */
const program = process.env.LOOMS_TEST_KUBECTL ?? '';
const file = process.env.LOOMS_TEST_NODE_NETWORK ?? '';

describe.skipIf(program === '' || file === '')('images that looms builds, on a cluster', () => {
  const docker = new Docker();
  const project = `e2e-images-${randomBytes(3).toString('hex')}`;
  const namespace = `looms-${project}`;
  const credentials = { user: 'writer', password: 'only for the test' };
  const refs = new Set<string>();
  let open: TestRegistry;
  let locked: TestRegistry;

  const kubectl = async (...args: readonly string[]): Promise<string> =>
    (await runFile(program, ['kubectl', '-n', namespace, ...args])).stdout;

  /** A server whose image is another one for each `mark`. */
  const spec = (mark: string, name = 'fs'): string =>
    tinySpec({
      name,
      backend: {
        base_image: undefined,
        build_config: { from_image: 'node:24-slim', env: { MARK: `${project} ${mark}` } },
      },
    });
  const run = (args: readonly string[], registry: TestRegistry, text = '', env = {}): Promise<Finished> => {
    const cwd = emptyFolder();
    writeFileSync(join(cwd, 'looms.yaml'), `project: ${project}\nengine: { registry: "${registry.host}/team-a" }\n`);
    writeFileSync(join(cwd, 'mcp.yaml'), text);
    const of = [...args, '--context', 'kubernetes:'];
    return looms(of, { cwd, env: { KUBECONFIG: process.env.KUBECONFIG ?? '', ...env } });
  };
  const apply = (text: string, registry: TestRegistry, env = {}): Promise<Finished> =>
    run(['apply', '-f', 'mcp.yaml', '--yes'], registry, text, env);
  /** How it ended, and all that it said. */
  const toldBy = ({ code, stdout, stderr }: Finished) => [code, stdout + stderr];
  /** What the image of a spec is called here. */
  const builtOf = async (text: string): Promise<string> => {
    const { stdout } = await run(['export', '--to', 'kubernetes', '-f', 'mcp.yaml'], open, text);
    const [, ref = ''] = /docker tag (\S+)/.exec(stdout) ?? [];
    refs.add(ref);
    return ref;
  };
  const echo = async (server = 'fs'): Promise<string> =>
    (await run(['mcp', 'call', server, 'echo', 'text=hello'], open)).stdout.trim();
  const image = (server: string): Promise<string> =>
    kubectl(
      'get',
      'pods',
      '-l',
      `looms.dev/server=${server}`,
      '--field-selector=status.phase=Running',
      '-o',
      'jsonpath={.items[-1:].status.containerStatuses[0].imageID}',
    );
  /** Takes an image away from its registry and from here. */
  const lose = async (ref: string): Promise<void> => {
    const [name, tag] = (ref.split('/').at(-1) ?? '').split(':');
    const url = `http://${open.host}/v2/team-a/${name}/manifests`;
    const headers = { accept: 'application/vnd.docker.distribution.manifest.v2+json' };
    const { headers: said } = await fetch(`${url}/${tag}`, { method: 'HEAD', headers });
    const { status } = await fetch(`${url}/${said.get('docker-content-digest')}`, { method: 'DELETE' });
    expect(status).toBe(202);
    await docker.getImage(ref).remove();
  };

  beforeAll(async () => {
    const node = { file, program };
    [open, locked] = await Promise.all([startRegistry({ node }), startRegistry({ node, credentials })]);
  });
  afterAll(async () => {
    await kubectl('delete', 'namespace', namespace, '--wait=false').catch(() => {});
    await Promise.all([open?.stop(), locked?.stop()]);
    for (const ref of refs)
      await docker
        .getImage(ref)
        .remove()
        .catch(() => {});
  });

  it('are built here, pushed, and pulled by the node; what is there is neither built nor pushed again', async () => {
    const ref = await builtOf(spec('one'));
    const first = await apply(spec('one'), open);
    expect(toldBy(first)).toEqual([0, expect.stringContaining('pushed to its registry')]);
    expect(await echo()).toBe('hello');
    expect(await image('fs')).toMatch(new RegExp(`^${open.host}/team-a/build@sha256:`));
    // `looms prune` of the engine knows what looms built by its only name.
    expect((await docker.getImage(ref).inspect()).RepoTags).toEqual([ref]);
    await docker.getImage(ref).remove();
    expect((await run(['diff', '-f', 'mcp.yaml'], open, spec('one'))).code).toBe(0);

    const second = await apply(specs(spec('one'), spec('one', 'other')), open);
    expect(toldBy(second)).toEqual([0, expect.stringContaining('its registry has it')]);
    await expect(docker.getImage(ref).inspect()).rejects.toMatchObject({ statusCode: 404 });
    expect(await echo('other')).toBe('hello');
  }, 300_000);

  it('of an earlier generation are where they were pushed, or the one that serves goes on', async () => {
    const [one, two] = [await builtOf(spec('one')), await builtOf(spec('two'))];
    expect((await apply(spec('two'), open)).code).toBe(0);
    const back = await run(['rollback', 'fs', '--yes'], open);
    expect(toldBy(back)).toEqual([0, expect.stringContaining('its registry has it')]);
    expect(await kubectl('get', 'deployment', 'looms-fs', '-o', 'yaml')).toContain(one.split(':')[1]);

    await lose(two);
    const lost = await run(['rollback', 'fs', '--to', '2', '--yes'], open);
    expect(toldBy(lost)).toEqual([1, expect.stringContaining('error[image-not-found]')]);
    expect(await echo()).toBe('hello');
  }, 300_000);

  it('go to a registry with Docker’s credentials, and nodes pull them with those of the namespace', async () => {
    const text = spec('three', 'guarded');
    await builtOf(text);
    const refused = await apply(text, locked);
    expect(toldBy(refused)).toEqual([1, expect.stringContaining('error[registry-unauthorized]')]);
    expect(refused.stdout).toContain(`docker login ${locked.host}`);

    const { user, password } = credentials;
    const folder = emptyFolder();
    const auth = Buffer.from(`${user}:${password}`).toString('base64');
    writeFileSync(join(folder, 'config.json'), JSON.stringify({ auths: { [locked.host]: { auth } } }));
    const login = [`--docker-server=${locked.host}`, `--docker-username=${user}`, `--docker-password=${password}`];
    await kubectl('create', 'secret', 'docker-registry', 'pull', ...login);
    await kubectl('patch', 'serviceaccount', 'default', '-p', '{"imagePullSecrets":[{"name":"pull"}]}');
    const done = await apply(text, locked, { DOCKER_CONFIG: folder });
    expect(toldBy(done)).toEqual([0, expect.stringContaining('pushed to its registry')]);
    expect(await echo('guarded')).toBe('hello');
    const { code, stdout } = await run(['diff', '-f', 'mcp.yaml'], locked, text);
    expect(code, stdout).toBe(0);
    const all = await kubectl('get', 'deployments,pods,configmaps', '-o', 'yaml');
    expect([all.includes(password), all.includes(auth)]).toEqual([false, false]);
  }, 300_000);
});
