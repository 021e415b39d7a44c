import { onSpecs, removeProject } from './lib/looms.mjs';
import { median, printRatios, timed } from './lib/measure.mjs';
import { call, eachOf, handshake } from './lib/raw-engine.mjs';
import { loomsSpecs, names, shellArgv } from './lib/specs.mjs';

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

/** Fifty servers: applying them beside the raw API. */
export async function benchApply() {
  const specs = loomsSpecs(count, { image, argv: shellArgv });
  const rounds = 2;
  const raw = [];
  const applied = [];
  for (let round = 0; round < rounds; round += 1) {
    raw.push(await rawApply());
    try {
      applied.push((await onSpecs(project, specs, ['apply', '--yes', '--parallelism', String(width)])).ms);
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
}
