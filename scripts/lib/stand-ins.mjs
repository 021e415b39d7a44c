import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { installPackages } from './apt.mjs';
import { debianTools, makeDebian } from './debian-root.mjs';
import { call } from './engine-api.mjs';
import { buildImage, findImage, importImage } from './images.mjs';
import { run } from './run.mjs';

/** Raise it when a recipe below changes: stand-ins of another revision are made anew. */
const revision = '1';

const recipes = {
  'debian:bookworm-slim': { make: debian, suite: 'bookworm' },
  'debian:trixie-slim': { make: debian, suite: 'trixie' },
  'haproxy:3.0': { make: haproxy, suite: 'trixie' },
  'node:22-slim': { make: node, major: 22, base: 'debian:bookworm-slim' },
  'node:24-slim': { make: node, major: 24, base: 'debian:bookworm-slim' },
  'postgres:17': { make: postgres, suite: 'trixie' },
  'python:3.11-slim': { make: python, suite: 'bookworm' },
  'python:3.13-slim': { make: python, suite: 'trixie' },
};

const officialPath = '/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin';

/** @param {{ Config: { Labels: Record<string, string> | null } }} image */
export function isOutdatedStandIn(image) {
  const labels = image.Config.Labels ?? {};
  return labels['looms.stand-in'] === 'true' && labels['looms.stand-in-revision'] !== revision;
}

/**
 * What must be there on this machine before stand-ins can be made.
 *
 * @throws where apt cannot install it
 */
export async function prepareForStandIns() {
  await installPackages(debianTools);
}

/**
 * Makes an image with the content that an official tag promises, from Debian's and npm's packages,
 * under that tag, and labelled as a stand-in.
 *
 * @param {{ host: string, tag: string, workDir: string, ready: (tag: string) => Promise<void> }} job
 *   `ready` resolves when another tag that this one builds on is there
 */
export async function makeStandIn({ host, tag, workDir, ready }) {
  const recipe = recipes[tag];
  if (!recipe) throw new Error(`no stand-in is known for ${tag}; known are ${Object.keys(recipes).join(', ')}`);
  const dir = join(workDir, tag.replace(':', '-'));
  await mkdir(dir, { recursive: true });
  await recipe.make({ host, tag, dir, ready, recipe });
  if (!(await findImage(host, tag))) throw new Error(`${tag} was made, but the engine does not have it`);
}

/**
 * @param {string} tag
 * @returns {string | undefined} the tag that the stand-in for this one builds on
 */
export function baseOf(tag) {
  return recipes[tag]?.base;
}

async function debian({ host, tag, dir, recipe }) {
  const file = await debianTar(dir, recipe.suite);
  await importImage(host, tag, file, [
    `ENV PATH=${officialPath}`,
    'CMD ["bash"]',
    ...standInLabels(`Debian ${recipe.suite}, from Debian's packages`),
  ]);
}

async function python({ host, tag, dir, recipe }) {
  const versionFile = join(dir, 'python-version');
  const file = await debianTar(dir, recipe.suite, {
    packages: ['python3', 'python3-pip', 'python3-venv'],
    hooks: [
      // As in the official image: `pip install` works as it is, and `python` and `pip` are found.
      'rm -f "$1"/usr/lib/python3.*/EXTERNALLY-MANAGED',
      'for name in python python3; do ln -s /usr/bin/python3 "$1/usr/local/bin/$name"; done',
      'for name in pip pip3; do ln -s /usr/bin/pip3 "$1/usr/local/bin/$name"; done',
      `chroot "$1" python3 -c 'import platform; print(platform.python_version())' > '${versionFile}'`,
    ],
  });
  const version = (await readFile(versionFile, 'utf8')).trim();
  await importImage(host, tag, file, [
    `ENV PATH=${officialPath} LANG=C.UTF-8 PYTHON_VERSION=${version}`,
    'CMD ["python3"]',
    ...standInLabels(`Python ${version}, from Debian ${recipe.suite}'s packages`),
  ]);
}

async function haproxy({ host, tag, dir, recipe }) {
  const file = await debianTar(dir, recipe.suite, { packages: ['haproxy'] });
  await importImage(host, tag, file, [
    `ENV PATH=${officialPath}`,
    'CMD ["haproxy", "-f", "/usr/local/etc/haproxy/haproxy.cfg"]',
    ...standInLabels(`HAProxy, from Debian ${recipe.suite}'s packages`),
  ]);
}

async function postgres({ host, tag, dir, recipe }) {
  const entrypoint = join(dir, 'docker-entrypoint.sh');
  await writeFile(entrypoint, postgresEntrypoint);
  const file = await debianTar(dir, recipe.suite, {
    packages: ['postgresql-17'],
    hooks: [
      // As in the official image: the cluster is made where the container runs.
      'rm -rf "$1"/var/lib/postgresql/17 "$1"/etc/postgresql/17',
      'chroot "$1" install -d -o postgres -g postgres /var/lib/postgresql/data',
      `install -m 755 '${entrypoint}' "$1/usr/local/bin/docker-entrypoint.sh"`,
    ],
  });
  await importImage(host, tag, file, [
    `ENV PATH=${officialPath}:/usr/lib/postgresql/17/bin PGDATA=/var/lib/postgresql/data`,
    'USER postgres',
    'ENTRYPOINT ["docker-entrypoint.sh"]',
    'CMD ["postgres"]',
    ...standInLabels(`PostgreSQL 17, from Debian ${recipe.suite}'s packages`),
  ]);
}

/** Makes a cluster with the password of its superuser at the first start, as the official image does. */
const postgresEntrypoint = `#!/bin/sh
set -e
if [ ! -s "$PGDATA/PG_VERSION" ]; then
  password=$(mktemp)
  printf %s "\${POSTGRES_PASSWORD:?is not set}" >"$password"
  initdb --username=postgres --pwfile="$password" --auth-local=trust --auth-host=scram-sha-256 >/dev/null
  rm "$password"
  echo 'host all all all scram-sha-256' >>"$PGDATA/pg_hba.conf"
  printf "listen_addresses = '*'\\nunix_socket_directories = '/tmp'\\n" >>"$PGDATA/postgresql.conf"
fi
exec "$@"
`;

async function node({ host, tag, dir, ready, recipe }) {
  const [binary, npm] = await Promise.all([
    unpackFromNpm(dir, `node-linux-${await architecture(host)}@${recipe.major}`, 'node'),
    unpackFromNpm(dir, 'npm@11', 'npm'),
    ready(recipe.base),
  ]);
  const entrypoint = join(dir, 'docker-entrypoint.sh');
  await writeFile(entrypoint, nodeEntrypoint);
  await chmod(entrypoint, 0o755);
  await writeFile(join(dir, '.dockerignore'), '*.tgz\n');
  await writeFile(join(dir, 'Dockerfile'), nodeDockerfile(recipe.base, binary.version, npm.version));
  await buildImage(host, tag, dir);
}

/** Runs a program that is no command as an argument of node, as the official image does. */
const nodeEntrypoint = `#!/bin/sh
set -e
if [ "\${1#-}" != "$1" ] || ! command -v "$1" >/dev/null || { [ -f "$1" ] && [ ! -x "$1" ]; }; then
  set -- node "$@"
fi
exec "$@"
`;

function nodeDockerfile(base, nodeVersion, npmVersion) {
  const labels = standInLabels(`Node ${nodeVersion} and npm ${npmVersion}, from npm's packages on ${base}`);
  return [
    `FROM ${base}`,
    'RUN groupadd --gid 1000 node && useradd --uid 1000 --gid node --shell /bin/bash --create-home node',
    'COPY node/bin/node /usr/local/bin/node',
    'COPY npm /usr/local/lib/node_modules/npm',
    'COPY docker-entrypoint.sh /usr/local/bin/',
    'RUN ln -s node /usr/local/bin/nodejs \\',
    ' && ln -s ../lib/node_modules/npm/bin/npm-cli.js /usr/local/bin/npm \\',
    ' && ln -s ../lib/node_modules/npm/bin/npx-cli.js /usr/local/bin/npx \\',
    ' && npm --version',
    `ENV PATH=${officialPath} NODE_VERSION=${nodeVersion}`,
    ...labels,
    'ENTRYPOINT ["docker-entrypoint.sh"]',
    'CMD ["node"]',
    '',
  ].join('\n');
}

/** A small Debian with its certificates, and without what images leave out. */
async function debianTar(dir, suite, { packages = [], hooks = [] } = {}) {
  const target = join(dir, 'root.tar');
  const tidy = 'rm -f "$1"/etc/resolv.conf "$1"/etc/hostname'; // this machine's own, not the image's
  const leftOut = ['doc', 'man', 'info', 'locale'].map((name) => `--dpkgopt=path-exclude=/usr/share/${name}/*`);
  await makeDebian({
    suite,
    target,
    workDir: dir,
    packages: ['ca-certificates', ...packages],
    options: [
      ...leftOut,
      '--dpkgopt=path-include=/usr/share/doc/*/copyright',
      ...[...hooks, tidy].map((hook) => `--customize-hook=${hook}`),
    ],
  });
  return target;
}

/** Fetches one npm package, without what it depends on, and unpacks it to a folder of the given name. */
async function unpackFromNpm(dir, spec, name) {
  const packed = await run('npm', ['pack', spec, '--json', '--pack-destination', dir], { cwd: dir });
  const [{ filename, version }] = JSON.parse(packed);
  await mkdir(join(dir, name));
  await run('tar', ['-C', join(dir, name), '--strip-components=1', '--no-same-owner', '-xf', join(dir, filename)]);
  return { version };
}

async function architecture(host) {
  const { body } = await call(host, { path: '/version' });
  const names = { amd64: 'x64', arm64: 'arm64' };
  const name = names[body.Arch];
  if (name !== process.arch)
    throw new Error(`the engine is ${body.Arch}, this machine ${process.arch}: stand-ins cannot be made for it here`);
  return name;
}

function standInLabels(what) {
  const description = `Stand-in made by looms for its own tests and examples: ${what}.`;
  return [
    'LABEL looms.stand-in=true',
    `LABEL looms.stand-in-revision=${revision}`,
    `LABEL org.opencontainers.image.description="${description}"`,
  ];
}
