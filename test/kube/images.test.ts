import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import Docker from 'dockerode';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { kubectlSays } from '../support/kubectl.ts';
import { emptyFolder, type Finished, looms } from '../support/looms.ts';
import { nodes, withoutNodes } from '../support/nodes.ts';
import { startRegistry, type TestRegistry } from '../support/registry.ts';
import { specs, tinySpec } from '../support/tiny-server.ts';

const isLeftOut = withoutNodes('nodes of another cluster have no way to a registry on this machine');

type Pod = {
  readonly metadata: { readonly creationTimestamp: string };
  readonly spec: { readonly containers: readonly { readonly image: string }[] };
  readonly status: { readonly containerStatuses?: readonly { readonly imageID: string }[] };
};

describe.skipIf(isLeftOut)('images that looms builds, on a cluster', () => {
  const docker = new Docker();
  const project = `e2e-images-${randomBytes(3).toString('hex')}`;
  const namespace = `looms-${project}`;
  const credentials = { user: 'writer', password: 'only for the test' };
  const refs = new Set<string>();
  let open: TestRegistry;
  let locked: TestRegistry;

  const kubectl = (...args: readonly string[]): Promise<string> => kubectlSays(['-n', namespace, ...args]);

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
  /** The newest pod of a server: what it pulls, and what its node says that it has. */
  const newest = async (server: string): Promise<{ readonly pulls: string; readonly has: string }> => {
    const { items } = JSON.parse(await kubectl('get', 'pods', '-l', `looms.dev/server=${server}`, '-o', 'json')) as {
      items: Pod[];
    };
    const [pod] = items.sort((a, b) => b.metadata.creationTimestamp.localeCompare(a.metadata.creationTimestamp));
    const { image = '' } = pod?.spec.containers[0] ?? {};
    return { pulls: image, has: pod?.status.containerStatuses?.[0]?.imageID ?? '' };
  };
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
    const node = { file: nodes?.network ?? '', program: nodes?.program ?? '' };
    [open, locked] = await Promise.all([startRegistry({ node }), startRegistry({ node, credentials })]);
  });
  afterAll(async () => {
    await kubectl('delete', 'namespace', namespace, '--wait=false').catch(() => {});
    await Promise.all([open?.stop(), locked?.stop()]);
    for (const ref of refs)
      await docker
        .getImage(ref)
        .remove({ force: true })
        .catch(() => {});
  });

  it('are built here, pushed, and pulled by the node; what is there is neither built nor pushed again', async () => {
    const ref = await builtOf(spec('one'));
    const first = await apply(spec('one'), open);
    expect(toldBy(first)).toEqual([0, expect.stringContaining('pushed to its registry')]);
    expect(await echo()).toBe('hello');
    const { pulls, has } = await newest('fs');
    const [, digest = ''] = pulls.split('@');
    expect([pulls, has]).toEqual([
      `${open.host}/team-a/${ref.split('/').at(-1)}@${digest}`,
      `${open.host}/team-a/build@${digest}`,
    ]);
    expect(digest).toMatch(/^sha256:[0-9a-f]{64}$/);
    // `looms prune` of the engine knows what looms built by its only name.
    expect((await docker.getImage(ref).inspect()).RepoTags).toEqual([ref]);
    await docker.getImage(ref).remove();
    expect((await run(['diff', '-f', 'mcp.yaml'], open, spec('one'))).code).toBe(0);

    const second = await apply(specs(spec('one'), spec('one', 'other')), open);
    expect(toldBy(second)).toEqual([0, expect.stringContaining('its registry has it')]);
    await expect(docker.getImage(ref).inspect()).rejects.toMatchObject({ statusCode: 404 });
    expect(await echo('other')).toBe('hello');
    expect((await newest('other')).pulls).toBe(pulls);
  }, 300_000);

  it('have no other digest than the one that was signed with their record', async () => {
    const made = `looms.dev/image=sha256:${'0'.repeat(64)}`;
    await kubectl('annotate', 'deployment', 'looms-other', '--overwrite', made);
    const { code, stdout } = await run(['diff', '-f', 'mcp.yaml'], open, specs(spec('one'), spec('one', 'other')));
    expect([code, stdout]).toEqual([2, expect.stringContaining('changed outside looms')]);
    expect((await apply(specs(spec('one'), spec('one', 'other')), open)).code).toBe(0);
    expect((await newest('other')).pulls).toBe((await newest('fs')).pulls);
  }, 120_000);

  it('of an earlier generation are where they were pushed, or the one that serves goes on', async () => {
    const [one, two] = [await builtOf(spec('one')), await builtOf(spec('two'))];
    const before = await newest('fs');
    expect((await apply(spec('two'), open)).code).toBe(0);
    const back = await run(['rollback', 'fs', '--yes'], open);
    expect(toldBy(back)).toEqual([0, expect.stringContaining('its registry has it')]);
    expect(before.pulls).toContain(one.split(':')[1]);
    expect((await newest('fs')).pulls).toBe(before.pulls);

    await lose(two);
    const lost = await run(['rollback', 'fs', '--to', '2', '--yes'], open);
    expect(toldBy(lost)).toEqual([1, expect.stringContaining('error[image-not-found]')]);
    expect(await echo()).toBe('hello');
  }, 300_000);

  it('that looms only pulls are those of then after a rollback, whatever their tag means by now', async () => {
    const [repo, tag] = [`${open.host}/theirs/mine`, '1'];
    refs.add(`${repo}:${tag}`);
    const push = async (mark: string): Promise<void> => {
      const made = await docker.createContainer({ Image: 'node:24-slim', Cmd: ['true'] });
      const { Id } = await made.commit({ repo, tag, changes: `ENV MARK=${mark}` });
      // The next one takes the name away.
      refs.add(Id);
      await made.remove();
      const pushing = await docker.getImage(`${repo}:${tag}`).push({ authconfig: {} });
      await new Promise<void>((done, fail) =>
        docker.modem.followProgress(pushing, (error) => (error === null ? done() : fail(error))),
      );
    };
    const text = (memoryMiB: number) =>
      tinySpec({ name: 'pulled', image: `${repo}:${tag}`, memoryMiB, backend: { pull_policy: 'always' } });
    await push('one');
    expect((await apply(text(128), open)).code).toBe(0);
    const one = await newest('pulled');
    expect(one).toEqual({ pulls: `${repo}:${tag}`, has: expect.stringContaining(`${repo}@sha256:`) });
    await push('two');
    expect((await apply(text(136), open)).code).toBe(0);
    expect((await newest('pulled')).has).not.toBe(one.has);

    expect((await run(['rollback', 'pulled', '--yes'], open)).code).toBe(0);
    const [, digest] = one.has.split('@');
    expect(await newest('pulled')).toEqual({ pulls: `${repo}:${tag}@${digest}`, has: one.has });
    const { code, stdout } = await run(['diff', '-f', 'mcp.yaml'], open, text(128));
    expect(code, stdout).toBe(0);
    // What is declared is the tag: pods that are made of the file have what it means.
    expect((await apply(text(136), open)).code).toBe(0);
    expect((await newest('pulled')).pulls).toBe(`${repo}:${tag}`);
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
