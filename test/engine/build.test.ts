import { randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { buildImage } from '../../src/docker/engine/images/build.ts';
import { type ImageClient, imageMemory } from '../../src/docker/engine/images/find.ts';
import type { ImageFacts } from '../../src/docker/model/shape.ts';
import { readBuildCa, readContext } from '../../src/files/build-context.ts';
import { type BuildContext, recipeFor } from '../../src/image/recipe.ts';
import type { Recipe } from '../../src/model/container/recipe.ts';
import type { ImageSource } from '../../src/model/desired.ts';
import type { LoomsError } from '../../src/model/errors.ts';
import type { StepProgress } from '../../src/model/events.ts';
import { imageBench, withoutEngine } from '../support/images.ts';
import { onPodman, skipOnPodman } from '../support/podman.ts';

describe.skipIf(withoutEngine())('building an image', () => {
  const bench = imageBench('build.test.ts');
  let extraCa: Uint8Array | undefined;
  let folder = '';
  let access: ImageClient;
  // Where the network needs no extra certificates, this stays empty, and the builds go out as they are.
  /** Keeps what one run builds apart from every other run, and from the engine's build cache. */
  const nonce = `${process.pid}-${Date.now()}`;

  beforeAll(async () => {
    access = { ...(await bench.connect()), ...imageMemory(process.env) };
    folder = await mkdtemp(join(tmpdir(), 'looms-build-'));
    extraCa = await readBuildCa(process.env, process.cwd());
  });
  afterAll(async () => {
    await rm(folder, { recursive: true, force: true });
    await bench.clean();
  });

  function recipe(source: ImageSource, context: Partial<BuildContext> = {}): Recipe {
    const made = recipeFor(source, { files: [], ...(extraCa === undefined ? {} : { extraCa }), ...context });
    if (made === null) throw new Error('no recipe');
    return made;
  }

  async function build(
    made: Recipe,
    more: {
      proxies?: Record<string, string>;
      signal?: AbortSignal;
      onProgress?: (progress: StepProgress) => void;
    } = {},
  ): Promise<ImageFacts> {
    const { proxies = {}, signal, onProgress = () => undefined } = more;
    return buildImage(
      signal ? { ...access, signal } : access,
      made,
      { proxies, mayPull: true, labels: bench.labels },
      onProgress,
    );
  }

  const debian = (run: readonly string[], more: object = {}): ImageSource => ({
    kind: 'build',
    from: 'debian:bookworm-slim',
    run,
    copy: [],
    env: { NONCE: nonce },
    ...more,
  });

  /** What a command prints in the built image, as the unprivileged user that servers run as. */
  async function output(image: ImageFacts, ...argv: string[]): Promise<string> {
    const container = await bench.docker.createContainer({
      Image: image.id,
      Entrypoint: argv.slice(0, 1),
      Cmd: argv.slice(1),
      User: '1000:1000',
      Tty: true,
      Labels: { ...bench.labels },
      HostConfig: { ReadonlyRootfs: true, NetworkMode: 'none' },
    });
    try {
      await container.start();
      await container.wait();
      return (await container.logs({ stdout: true, stderr: true })).toString().trim();
    } finally {
      await container.remove({ force: true });
    }
  }

  async function failure(promise: Promise<unknown>): Promise<LoomsError> {
    const error = await promise.then(
      () => undefined,
      (thrown: LoomsError) => thrown,
    );
    if (error === undefined) throw new Error('it did not fail');
    return error;
  }

  /** Looks for what carries our nonce only: other tests build on the same engine meanwhile. */
  async function expectNothingLeft(before: { images: string[] }): Promise<void> {
    const after = await bench.docker.listImages({ all: true });
    const left = after.filter((image) => !before.images.includes(image.Id));
    const inspected = await Promise.all(
      left.map((image) =>
        bench.docker
          .getImage(image.Id)
          .inspect()
          .catch(() => null),
      ),
    );
    const ours = inspected.filter((image) => JSON.stringify(image?.Config.Env ?? []).includes(nonce));
    expect(ours.map((image) => image?.Id)).toEqual([]);
    const containers = await bench.docker.listContainers({ all: true });
    expect(containers.filter((container) => container.Command.includes(nonce))).toEqual([]);
  }

  test('installs Python packages for the unprivileged user, with a virtualenv too, and says that there is a shell', async () => {
    await writeFile(join(folder, 'requirements.txt'), '-c limits.txt\nsix\n');
    await writeFile(join(folder, 'limits.txt'), 'six==1.16.0\n');
    const source: ImageSource = {
      kind: 'python',
      base: 'python:3.13-slim',
      packages: ['iniconfig'],
      requirementsFile: 'requirements.txt',
      pipCache: true,
      virtualEnv: 'venv',
    };
    const seen: StepProgress[] = [];
    const image = await build(recipe(source, await readContext(source, folder)), {
      onProgress: (progress) => seen.push(progress),
    });

    expect(image.hasShell).toBe(true);
    expect(image.labels).toMatchObject({ ...bench.labels, 'looms.has-shell': 'true' });
    const code = 'import sys, six, iniconfig; print(sys.prefix, six.__version__)';
    expect(await output(image, 'python', '-c', code)).toBe('/opt/venv 1.16.0');
    // Of several lines that the engine sends at once the last one is shown.
    const pip = /^\d+\/\d+ RUN .*pip install.*: (?:Collecting|Downloading|Installing|Successfully)/;
    expect(seen.some(({ text }) => pip.test(text))).toBe(true);
    expect(seen.at(-1)?.current).toBe(seen.at(-1)?.total);
    // The certificates that the build trusted are no part of the image.
    expect(await output(image, 'ls', '/.looms-build')).toContain('No such file');
  });

  test('installs Node packages globally, and those of a package.json on the PATH', async () => {
    await writeFile(join(folder, 'package.json'), JSON.stringify({ name: 'x', dependencies: { semver: '7.6.3' } }));
    const source: ImageSource = {
      kind: 'node',
      base: 'node:24-slim',
      packages: ['which@4.0.0'],
      packageJsonFile: 'package.json',
      npmCache: true,
    };
    const image = await build(recipe(source, await readContext(source, folder)));
    expect(await output(image, 'semver', '1.2.3')).toBe('1.2.3');
    expect(await output(image, 'node-which', 'semver')).toBe('/opt/looms-app/node_modules/.bin/semver');
  });

  test('runs the commands of a build_config after its files are there, and gives it another name for other content', async () => {
    const source = debian(['cp -r /app/lib /copied', "printf 'line one\\nline two' > /multi"], {
      copy: [{ source: 'lib', destination: '/app/lib' }],
      workdir: '/app',
    });
    const readRecipe = async (text: string): Promise<Recipe> => {
      await mkdir(join(folder, 'lib'), { recursive: true });
      await writeFile(join(folder, 'lib/word'), text, { mode: 0o600 });
      return recipe(source, await readContext(source, folder));
    };
    const first = await readRecipe('one');
    const image = await build(first);
    expect(await output(image, 'cat', '/copied/word')).toBe('one');
    expect(image.workingDir).toBe('/app');
    expect(image.env).toMatchObject({ NONCE: nonce });
    expect((await readRecipe('two')).ref).not.toBe(first.ref);
  });

  test('builds once: the second time nothing runs', async () => {
    const made = recipe(debian(['date +%N > /when']));
    const first = await build(made);
    const seen: StepProgress[] = [];
    const second = await build(made, { onProgress: (progress) => seen.push(progress) });
    expect(second.id).toBe(first.id);
    expect(seen).toEqual([]);
  });

  test('two that build the same at the same time end up with one image', async () => {
    const before = await bench.listAll();
    const made = recipe(debian(['date +%N > /when', 'sleep 1']));
    const [first, second] = await Promise.all([build(made), build(made)]);
    expect(second.id).toBe(first.id);
    const images = await bench.docker.listImages({ filters: { dangling: ['true'] } });
    const left = images.filter(
      (image) => !before.images.includes(image.Id) && image.Labels?.['looms.test'] === bench.labels['looms.test'],
    );
    expect(left).toEqual([]);
  });

  test('builds a Dockerfile with its folder, without what .dockerignore leaves out', async () => {
    const context = await mkdtemp(join(folder, 'docker-'));
    await writeFile(join(context, 'Dockerfile'), 'FROM debian:bookworm-slim\nCOPY . /ctx\nRUN ls -A /ctx > /list\n');
    await writeFile(join(context, '.dockerignore'), '*\n!kept*\nkept-not\n');
    for (const name of ['kept', 'kept-not', 'other']) await writeFile(join(context, name), name);
    const source: ImageSource = { kind: 'dockerfile', path: 'Dockerfile' };
    const image = await build(recipe(source, await readContext(source, context)));
    expect(await output(image, 'cat', '/list')).toBe('kept');
    expect(image.hasShell).toBe(true);
  });

  test('a Python package that does not exist fails with pip’s own line and leaves nothing', async () => {
    const before = await bench.listAll();
    const packages = ['vantage-mcp-server'];
    const virtualEnv = `venv-${nonce}`;
    const made = recipe({ kind: 'python', base: 'python:3.13-slim', packages, pipCache: false, virtualEnv });
    const error = await failure(build(made));
    expect(error.code).toBe('image-build-failed');
    expect(error.message).toContain("-m pip install -- 'vantage-mcp-server'` ended with exit code 1");
    expect(error.detail[0]).toBe('ERROR: No matching distribution found for vantage-mcp-server');
    expect(error.hint).toContain('check the name');
    await expectNothingLeft(before);
  });

  test('an npm package that does not exist fails with npm’s own line', async () => {
    const name = '@modelcontextprotocol/server-that-does-not-exist';
    const error = await failure(
      build(recipe({ kind: 'node', base: 'node:24-slim', packages: [name], npmCache: true })),
    );
    expect(error.code).toBe('image-build-failed');
    expect(error.message).toContain(`npm install --global -- '${name}'`);
    expect(error.detail[0]).toMatch(/^npm error 404 .*(not in this registry|could not be found)/);
  });

  test('a step that has no exit code and a Dockerfile that is none are told apart', async () => {
    const files = (text: string) => [{ path: 'Dockerfile', content: new TextEncoder().encode(text), mode: 0o644 }];
    const source: ImageSource = { kind: 'dockerfile', path: 'Dockerfile' };
    const missing = await failure(build(recipe(source, { files: files('FROM debian:bookworm-slim\nCOPY gone /\n') })));
    expect(missing).toMatchObject({ code: 'image-build-failed' });
    expect(missing.message).toContain('failed at COPY gone /');
    const broken = await failure(build(recipe(source, { files: files('FROM debian:bookworm-slim\nNONSENSE\n') })));
    expect(broken).toMatchObject({ code: 'image-build-failed', hint: 'correct the Dockerfile' });
  });

  test('a failing command shows the end of its output, the decisive line first, and leaves nothing', async () => {
    const before = await bench.listAll();
    const commands = [
      'echo a > /a',
      `for i in $(seq 50); do echo line $i; done; echo 'E: gave up ${nonce}' >&2; exit 7`,
    ];
    const error = await failure(build(recipe(debian(commands))));
    expect(error.message).toContain('ended with exit code 7');
    expect(error.detail[0]).toBe(`E: gave up ${nonce}`);
    expect(error.detail).toContain('line 50');
    expect(error.detail.length).toBeLessThanOrEqual(21);
    await expectNothingLeft(before);
  });

  test('a build that is aborted is cut at once and leaves nothing', async (context) => {
    const before = await bench.listAll();
    const controller = new AbortController();
    // Longer than this test may take, where the engine cuts it.
    const seconds = (await onPodman()) ? 20 : 300;
    const made = recipe(debian(['echo a > /a', `echo started; sleep ${seconds}; echo ${nonce}`]));
    const error = await failure(
      build(made, {
        signal: controller.signal,
        onProgress: ({ text }) => {
          if (text.endsWith(': started')) controller.abort();
        },
      }),
    );
    expect(error.code).toBe('interrupted');
    expect(error.detail).toEqual([]);
    await skipOnPodman(context, 'its builder goes on to the end of the step that runs, and keeps its base until then');
    await expectNothingLeft(before);
  });

  test('output that looks like the builder’s own does not make a failed build remove other images', async () => {
    const base = await bench.docker.getImage('debian:bookworm-slim').inspect();
    const id = base.Id.slice('sha256:'.length, 'sha256:'.length + 12);
    const error = await failure(build(recipe(debian([`echo ' ---> ${id}'; exit 1`]))));
    expect(error.code).toBe('image-build-failed');
    expect((await bench.docker.getImage('debian:bookworm-slim').inspect()).Id).toBe(base.Id);
  });

  test('output that looks like the builder’s own does not make a failed build remove a container with that name', async () => {
    const name = randomBytes(6).toString('hex');
    const image = 'debian:bookworm-slim';
    const other = await bench.docker.createContainer({ name, Image: image, Labels: { ...bench.labels } });
    try {
      const lines = [`echo; echo ' ---> Running in ${name}'; exit 1`];
      expect((await failure(build(recipe(debian(lines))))).code).toBe('image-build-failed');
      expect((await other.inspect()).Id).toBe(other.id);
    } finally {
      await other.remove({ force: true });
    }
  });

  const proxies = { HTTPS_PROXY: 'http://zoe:quux-proxy@proxy.example:3128', no_proxy: 'localhost' };

  test('proxy settings reach the build and stay out of the image, and their password out of its history', async () => {
    const image = await build(recipe(debian(['echo "$HTTPS_PROXY $no_proxy" | sed s/quux.proxy/there/ > /proxy'])), {
      proxies,
    });
    expect(await output(image, 'cat', '/proxy')).toBe('http://zoe:there@proxy.example:3128 localhost');
    const built = bench.docker.getImage(image.id);
    const told = JSON.stringify([await built.history(), await built.inspect()]);
    expect(told).toContain('NONCE');
    expect(told).not.toMatch(/proxy\.example|quux-proxy/);
  });

  test.each(['ARG HTTPS_PROXY', 'ENV KEPT=$HTTPS_PROXY', 'LABEL kept=${HTTPS_PROXY:-}', 'ONBUILD ARG HTTPS_PROXY'])(
    'a Dockerfile with `%s` is refused where the proxy has a password, since its image would have it',
    async (line) => {
      const files = [
        {
          path: 'Dockerfile',
          content: new TextEncoder().encode(`FROM debian:bookworm-slim\n${line}\nRUN echo ${nonce} > /found\n`),
          mode: 0o644,
        },
      ];
      const made = recipe({ kind: 'dockerfile', path: 'Dockerfile' }, { files });
      const error = await failure(build(made, { proxies }));
      expect(error.code).toBe('image-build-failed');
      expect(error.message).toBe(
        `\`${line}\` of the Dockerfile would store the password of the proxy in the image or its history`,
      );
      await build(made, { proxies: { HTTPS_PROXY: 'http://proxy.example:3128' } });
    },
  );

  test('extra CA certificates reach pip, npm, curl, git and apt, beside the image’s own', async () => {
    const pem = '-----BEGIN CERTIFICATE-----\nlooms-test-certificate\n-----END CERTIFICATE-----\n';
    const commands = [
      'grep -c looms-test-certificate "$SSL_CERT_FILE" "$PIP_CERT" "$NODE_EXTRA_CA_CERTS" "$CURL_CA_BUNDLE" "$REQUESTS_CA_BUNDLE" "$GIT_SSL_CAINFO" > /found',
      'apt-config dump Acquire::https::CAInfo >> /found',
      '[ "$(grep -c BEGIN "$SSL_CERT_FILE")" -gt 10 ] && echo and the system roots >> /found',
    ];
    const made = recipe(debian(commands), { extraCa: new TextEncoder().encode(pem) });
    const found = await output(await build(made), 'cat', '/found');
    expect(found.split('\r\n')).toEqual([
      ...Array(6).fill('/.looms-build/ca.pem:1'),
      'Acquire::https::CAInfo "/.looms-build/ca.pem";',
      'and the system roots',
    ]);
    expect(made.ref).toBe(recipe(debian(commands)).ref);
  });

  test('extra CA certificates reach a Dockerfile that declares an argument for them', async () => {
    const text =
      'FROM debian:bookworm-slim\nARG PIP_CERT\nRUN echo "cert: $PIP_CERT" > /found && [ -z "$PIP_CERT" ] || cat "$PIP_CERT" >> /found\n';
    const files = [{ path: 'Dockerfile', content: new TextEncoder().encode(text), mode: 0o644 }];
    const made = recipe(
      { kind: 'dockerfile', path: 'Dockerfile' },
      { files, extraCa: new TextEncoder().encode('PEM') },
    );
    expect(await output(await build(made), 'cat', '/found')).toBe('cert: /.looms-build/ca.pem\r\nPEM');
  });

  test('a base image that cannot be had is an error of the pull, with its code', async () => {
    const server = createServer((_, response) => response.writeHead(404).end());
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    try {
      const { port } = server.address() as { port: number };
      const source = debian(['true'], { from: `127.0.0.1:${port}/no/base:1` });
      expect(['image-not-found', 'image-pull-failed']).toContain((await failure(build(recipe(source)))).code);
    } finally {
      server.close();
    }
  });
});
