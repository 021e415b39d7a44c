import { findCompose } from './lib/compose.mjs';
import { onSpecs, removeProject, withFile } from './lib/looms.mjs';
import { median, printRatios, runProgram, timed } from './lib/measure.mjs';
import { call, eachOf, handshake } from './lib/raw-engine.mjs';
import { composeFile, loomsSpecs, names, shellArgv } from './lib/specs.mjs';

const count = 50;
const image = 'debian:bookworm-slim';
const project = 'bench-apply';
const width = 8;

const rawContainer = (network) => ({
  Image: image,
  Entrypoint: ['sleep'],
  Cmd: ['infinity'],
  User: '1000:1000',
  Labels: { 'looms.test': 'bench' },
  HostConfig: {
    Init: true,
    ReadonlyRootfs: true,
    CapDrop: ['ALL'],
    SecurityOpt: ['no-new-privileges'],
    Memory: 2 ** 29,
    MemorySwap: 2 ** 29,
    NanoCpus: 1e9,
    PidsLimit: 100,
    Tmpfs: { '/tmp': 'size=64m', '/workspace': 'size=64m' },
    NetworkMode: network,
  },
});

/** Creates and starts by the raw API what looms makes for the same specs; times with and without a handshake each. */
async function rawApply() {
  const { Id: network } = await call('POST', '/networks/create', {
    Name: `bench-raw-${process.pid}-${Date.now()}`,
    Internal: true,
    Labels: { 'looms.test': 'bench' },
    Options: { 'com.docker.network.bridge.inhibit_ipv4': 'true' },
  });
  const made = [];
  try {
    const start = await timed(() =>
      eachOf(names(count), width, async (name) => {
        const { Id } = await call('POST', `/containers/create?name=bench-raw-${name}`, rawContainer(network));
        made.push(Id);
        await call('POST', `/containers/${Id}/start`);
      }),
    );
    const gates = await timed(() => eachOf(made, width, (id) => handshake(id, shellArgv)));
    return { start, gates };
  } finally {
    await eachOf(made, width, (id) => call('DELETE', `/containers/${id}?force=1`));
    // Engine 20.10 sometimes counts endpoints of containers that are gone, and keeps the network until it is restarted.
    await call('DELETE', `/networks/${network}`).catch((error) => console.error(`  (${error.message})`));
  }
}

async function composeNoOp(rounds) {
  const compose = await findCompose();
  if (compose === undefined) return undefined;
  const text = composeFile(count, { image, command: ['sleep', 'infinity'] });
  return withFile(text, 'compose.yaml', async (cwd) => {
    const run = (...args) => runProgram(compose.command, [...compose.args, '-p', 'bench-compose', ...args], { cwd });
    try {
      await run('up', '-d');
      const times = [];
      for (let round = 0; round < rounds; round += 1) times.push((await run('up', '-d')).ms);
      return { version: compose.version, ms: median(times) };
    } finally {
      await run('down', '-t', '0');
    }
  });
}

/** Fifty servers: applying them beside the raw API, and finding nothing to do beside Compose. */
export async function benchApply() {
  const specs = loomsSpecs(count, { image, argv: shellArgv });
  const rounds = 2;
  const raw = [];
  const applied = [];
  const checks = [];
  for (let round = 0; round < rounds; round += 1) {
    raw.push(await rawApply());
    try {
      applied.push((await onSpecs(project, specs, ['apply', '--yes', '--parallelism', String(width)])).ms);
      for (let look = 0; look < 3; look += 1) checks.push((await onSpecs(project, specs, ['diff'])).ms);
    } finally {
      await removeProject(project);
    }
  }
  const rawStart = median(raw.map(({ start }) => start));
  const rawGated = median(raw.map(({ start, gates }) => start + gates));
  printRatios(`Applying ${count} servers, ${width} at a time`, [
    ['raw API: create and start', rawStart],
    ['raw API: create, start, handshake by exec', rawGated],
    ['looms apply: plan, lock, create, start, gate, rename', median(applied)],
  ]);
  console.log(
    `  besides the gates: ${((median(applied) - (rawGated - rawStart)) / rawStart).toFixed(2)} x the raw create and start`,
  );
  const compose = await composeNoOp(rounds * 3);
  printRatios(`Nothing to do for ${count} servers`, [
    [`docker compose ${compose?.version ?? ''} up -d`, compose?.ms],
    ['looms diff', median(checks)],
  ]);
}
