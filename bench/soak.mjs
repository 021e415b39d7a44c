/**
 * An hour of what happens to a gateway, in minutes: clients come, call, leave and are killed, servers are replaced under
 * their calls, the gateway is killed twice, and the engine is restarted: one of its own, as others may work on the
 * machine's. Where none can be started (it takes Linux and root), that is said, and the engine goes on. Prints a table, and fails where an answer was wrong, came twice or did not come,
 * or where processes, handles or memory went on growing.
 *
 *   npm run test:soak                          ten minutes
 *   npm run test:soak -- --minutes 2
 *   npm run test:soak -- --no-restart-engine   on the machine's engine, which goes on
 *   npm run test:soak -- --quiet               nothing happens: the memory of one gateway after 2,000 to 16,000 calls
 */
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { echoArgv } from './lib/echo-server.mjs';
import { looms } from './lib/looms.mjs';
import { mcpClient } from './lib/mcp-http.mjs';
import { runProgram } from './lib/measure.mjs';
import { noOwnEngine, startOwnEngine } from './lib/own-engine.mjs';

const { values: flags } = parseArgs({
  allowNegative: true,
  options: {
    minutes: { type: 'string', default: '10' },
    'restart-engine': { type: 'boolean', default: true },
    quiet: { type: 'boolean', default: false },
  },
});
const noEngine = flags['restart-engine'] && !flags.quiet ? await noOwnEngine() : 'it was not asked for';
if (noEngine !== undefined) console.log(`the engine is not restarted: ${noEngine}`);
const ownEngine = noEngine === undefined ? await startOwnEngine(['node:24-slim']) : undefined;
if (ownEngine !== undefined) process.env.DOCKER_HOST = ownEngine.host;
// It goes to the engine that is named when it is loaded.
const { call: engineCall } = await import('./lib/raw-engine.mjs');
const lastsMs = Number(flags.minutes) * 60_000;
const image = 'node:24-slim';
const project = `soak-${randomBytes(3).toString('hex')}`;
const state = mkdtempSync(join(tmpdir(), 'looms-soak-'));
const env = { ...process.env, XDG_STATE_HOME: state };
const servers = ['sessions', 'shared'];
/** Clients of each kind at once. */
const clients = 8;
/** How long after a gateway that was killed is there again a failure is its, ms. */
const outageMs = 15_000;
/** Calls of a run of more than ten minutes, about: the trail of more would fill the disk of a small machine. */
const mostCalls = 300_000;
/** What each client waits after a call, ms. */
const pauseMs = lastsMs > 600_000 ? (2 * clients * lastsMs) / mostCalls : 0;

const spec = (name, revision) =>
  JSON.stringify({
    name,
    docker_backend: {
      runtime_type: 'custom',
      base_image: image,
      environment: { REVISION: String(revision) },
      resource_limits: { memory_mb: 1024, pids_limit: 500 },
    },
    mcp_server: {
      command: echoArgv[0],
      args: echoArgv.slice(1),
      protocol: name === 'shared' ? '2026-07-28' : 'legacy',
    },
  });
const ours = (args, more = {}) =>
  runProgram(process.execPath, [looms, ...args, '--project', project], { env, ...more });
const apply = (revision) =>
  ours(['apply', '-f', '-', '--yes'], { input: servers.map((name) => spec(name, revision)).join('\n---\n') });

const counts = { calls: 0, answered: 0, left: 0, killed: 0, replaced: 0, sessions: 0, byCommand: 0, outage: 0 };
/** What must not be. */
const faults = [];
const fault = (text) => {
  faults.push(text);
  console.error(`  FAULT ${text}`);
};
let isOver = false;
let outageUntil = 0;
let gateway;

/** Has a gateway say what its heap holds once all garbage is collected, bytes: when that is done is otherwise V8's to choose. */
const sayHeap = 'process.on("SIGUSR2",()=>{gc();process.stderr.write("heap="+process.memoryUsage().heapUsed+";")})';
const heapOptions = `--expose-gc --import=data:text/javascript,${encodeURIComponent(sayHeap)}`;

async function startGateway(idle = '10') {
  const child = spawn(process.execPath, [looms, 'serve', '--json', '--project', project, '--idle', idle], {
    env: { ...env, NODE_OPTIONS: heapOptions },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let said = '';
  child.stderr.on('data', (piece) => {
    said += piece;
  });
  const { socket } = await new Promise((resolve, reject) => {
    let text = '';
    child.once('exit', (code) => reject(new Error(`looms serve ended with ${code}: ${said}`)));
    child.stdout.on('data', (piece) => {
      text += piece;
      if (text.includes('}\n')) resolve(JSON.parse(text));
    });
  });
  child.removeAllListeners('exit');
  const gone = new Promise((resolve) => child.once('exit', resolve));
  gateway = { child, socket, gone };
}

let lastValue = 0;
/** One call, whose answer has to be that of no other. */
async function callOnce(call) {
  lastValue += 1;
  const value = `v${lastValue}`;
  counts.calls += 1;
  try {
    const text = await call('once', { value });
    counts.answered += 1;
    if (text !== value) fault(`${value} was answered with ${text}`);
    if (pauseMs > 0) await delay(pauseMs);
    return true;
  } catch (error) {
    if (isOver) return false;
    if (performance.now() < outageUntil) counts.outage += 1;
    else fault(`${value} failed: ${error.message}`);
    return false;
  }
}

/** A client with a session: calls, and then leaves, mostly without a word. */
async function sessionClient() {
  while (!isOver) {
    const client = mcpClient({ socketPath: gateway.socket, path: '/mcp/sessions' });
    try {
      await client.open();
      counts.sessions += 1;
      const calls = 1 + Math.floor(Math.random() * 200);
      for (let call = 0; call < calls && !isOver; call += 1) if (!(await callOnce(client.call))) break;
      if (Math.random() < 0.2) {
        client.stall('echo', { value: `left-${Math.random()}` });
        await delay(1);
        counts.left += 1;
      }
    } catch (error) {
      if (performance.now() >= outageUntil && !isOver) fault(`a session could not be opened: ${error.message}`);
      await delay(200);
    }
    client.close();
  }
}

async function statelessClient() {
  while (!isOver) {
    const client = mcpClient({ socketPath: gateway.socket, path: '/mcp/shared' });
    for (let call = 0; call < 300 && !isOver; call += 1) if (!(await callOnce(client.callAlone))) break;
    client.close();
    await delay(20);
  }
}

/** `looms mcp call` as a process; some are killed. */
async function commandClient() {
  while (!isOver) {
    const value = `c${Math.random()}`;
    const kill = Math.random() < 0.4;
    try {
      const { stdout } = await ours(['mcp', 'call', 'sessions', 'echo', `value=${value}`], {
        onStart: (child) => kill && setTimeout(() => child.kill('SIGKILL'), Math.random() * 150),
      });
      if (stdout !== `${value}\n`) fault(`the command was answered with ${stdout}`);
      counts.byCommand += 1;
    } catch (error) {
      if (kill) counts.killed += 1;
      else if (performance.now() < outageUntil) counts.outage += 1;
      else if (!isOver) fault(`the command failed: ${error.message}`);
    }
  }
}

async function replaceServers() {
  for (let revision = 1; !isOver; revision += 1) {
    await delay(Math.min(15_000, lastsMs / 10));
    if (isOver) return;
    try {
      await apply(revision);
      counts.replaced += 1;
    } catch (error) {
      if (performance.now() >= outageUntil) fault(`apply failed: ${error.message}`);
    }
  }
}

async function killGateway() {
  outageUntil = Number.POSITIVE_INFINITY;
  gateway.child.kill('SIGKILL');
  await gateway.gone;
  await startGateway();
  outageUntil = performance.now() + outageMs;
}

async function restartEngine() {
  outageUntil = Number.POSITIVE_INFINITY;
  await ownEngine.stop();
  await ownEngine.start();
  outageUntil = performance.now() + 60_000;
}

const isSession = (command) => command.startsWith('node -e');
/** Sessions' processes in all containers of the project. */
async function processes() {
  const filters = encodeURIComponent(JSON.stringify({ label: [`looms.project=${project}`], status: ['running'] }));
  const running = await engineCall('GET', `/containers/json?filters=${filters}`);
  const tops = await Promise.all(
    running.map(({ Id }) =>
      engineCall('GET', `/containers/${Id}/top?ps_args=-eo%20pid,args`).catch(() => ({ Processes: [] })),
    ),
  );
  return tops.flatMap(({ Processes }) => Processes).filter(([, command]) => isSession(command)).length;
}

/** What the gateway has of memory, MiB: that of its machine, and what of its heap is no garbage. */
const resident = () =>
  Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${gateway.child.pid}/status`, 'utf8'))[1]) / 1024;
const heap = () =>
  new Promise((resolve, reject) => {
    const { child } = gateway;
    let said = '';
    const over = (settle, value) => {
      clearTimeout(timer);
      child.stderr.off('data', hear);
      settle(value);
    };
    const hear = (piece) => {
      said += piece;
      const bytes = /heap=(\d+);/.exec(said)?.[1];
      if (bytes !== undefined) over(resolve, Number(bytes) / 1024 / 1024);
    };
    const timer = setTimeout(() => over(reject, new Error('the gateway does not say what its heap holds')), 30_000);
    child.stderr.on('data', hear);
    child.kill('SIGUSR2');
  });
const handles = () => readdirSync(`/proc/${gateway.child.pid}/fd`).length;

async function sample(startedAt) {
  try {
    return {
      seconds: Math.round((performance.now() - startedAt) / 1000),
      gateway: gateway.child.pid,
      heap: await heap(),
      rss: resident(),
      handles: handles(),
      processes: await processes(),
      ...counts,
    };
  } catch {
    return undefined;
  }
}

const columns = [
  'seconds',
  'calls',
  'answered',
  'outage',
  'sessions',
  'left',
  'byCommand',
  'killed',
  'replaced',
  'processes',
  'handles',
  'heap',
  'rss',
];
const printRow = (row) =>
  console.log(
    columns
      .map((name) => String(typeof row[name] === 'number' ? Math.round(row[name]) : row[name]).padStart(10))
      .join(''),
  );

/** The most of a figure in a part of the samples; what grows without end is more in the last part. */
const most = (samples, name) => Math.max(...samples.map((one) => one[name]));
/** The least of a heap in each half of the life of each gateway: what is held for good is there in all samples. */
const leastHeaps = (samples) =>
  [...Map.groupBy(samples, (one) => one.gateway).values()]
    .filter((own) => own.length > 3)
    .map((own) => {
      // At first it has not loaded all that it needs.
      const heaps = own.slice(1).map((one) => one.heap);
      const half = Math.ceil(heaps.length / 2);
      return [Math.min(...heaps.slice(0, half)), Math.min(...heaps.slice(half))];
    });

/** The arguments of each call of the trail, by their hash. */
async function argumentHashes() {
  const args = [looms, 'audit', '--json', '--tail', '0', '--project', project];
  const child = spawn(process.execPath, args, { env, stdio: ['ignore', 'pipe', 'inherit'] });
  const hashes = [];
  for await (const line of createInterface({ input: child.stdout })) hashes.push(JSON.parse(line).argumentsHash);
  return hashes;
}

async function main() {
  await apply(0);
  await startGateway();
  const startedAt = performance.now();
  const samples = [];
  printRow(Object.fromEntries(columns.map((name) => [name, name])));
  const work = [
    ...Array.from({ length: clients }, sessionClient),
    ...Array.from({ length: clients }, statelessClient),
    ...Array.from({ length: 2 }, commandClient),
    replaceServers(),
  ];
  const events = [
    [1 / 3, killGateway],
    ...(ownEngine === undefined ? [] : [[1 / 2, restartEngine]]),
    [2 / 3, killGateway],
  ];
  const everyMs = Math.min(60_000, Math.max(2_000, lastsMs / 20));
  while (performance.now() - startedAt < lastsMs) {
    await delay(everyMs);
    const [next] = events;
    if (next !== undefined && performance.now() - startedAt > lastsMs * next[0]) {
      events.shift();
      await next[1]();
    }
    const row = await sample(startedAt);
    if (row === undefined) continue;
    samples.push(row);
    printRow(row);
  }
  isOver = true;
  await Promise.all(work);
  gateway.child.kill('SIGINT');
  await gateway.gone;

  const third = Math.floor(samples.length / 3);
  const [early, late] = [samples.slice(1, third + 1), samples.slice(-third)];
  for (const [name, slack] of [
    ['rss', 60],
    ['handles', 40],
    ['processes', 12],
  ]) {
    const [before, after] = [most(early, name), most(late, name)];
    if (after > before * 1.3 + slack) fault(`${name} went from ${before.toFixed(0)} to ${after.toFixed(0)}`);
  }
  for (const [before, after] of leastHeaps(samples)) {
    console.log(
      `least heap of a gateway after all garbage is collected: ${before.toFixed(1)}, then ${after.toFixed(1)} MiB`,
    );
    if (after > before + 4) fault(`a heap went from ${before.toFixed(1)} to ${after.toFixed(1)} MiB`);
  }
  const deadline = performance.now() + 90_000;
  let left = await processes();
  while (left > 0 && performance.now() < deadline) {
    await delay(1_000);
    left = await processes();
  }
  if (left > 0) fault(`${left} processes outlived the gateway`);

  const hashes = await argumentHashes();
  const twice = hashes.length - new Set(hashes).size;
  if (twice > 0) fault(`${twice} calls are in the trail more than once`);
  console.log(
    `\n${counts.answered} of ${counts.calls} calls answered, each right and once; ${hashes.length} in the trail, ${twice} of them twice`,
  );
  console.log(`${counts.outage} were lost with a gateway that was killed, or its engine; ${left} processes left`);
  console.log(faults.length === 0 ? 'no fault' : `${faults.length} faults`);
}

/** The memory of one gateway with the same clients, by the calls that it has answered: what it grows by is a leak. */
async function quiet() {
  await apply(0);
  await startGateway('1h');
  const own = [
    ...Array.from({ length: clients }, () => mcpClient({ socketPath: gateway.socket, path: '/mcp/sessions' })),
    ...Array.from({ length: clients }, () => mcpClient({ socketPath: gateway.socket, path: '/mcp/shared' })),
  ];
  await Promise.all(own.slice(0, clients).map((client) => client.open()));
  console.log('     calls   handles  heap MiB   RSS MiB');
  const rows = [];
  for (const calls of [2_000, 4_000, 8_000, 16_000]) {
    const each = (calls - counts.calls) / own.length;
    await Promise.all(
      own.map(async (client, index) => {
        for (let call = 0; call < each; call += 1) await callOnce(index < clients ? client.call : client.callAlone);
      }),
    );
    rows.push(await heap());
    const cells = [counts.calls, handles(), rows.at(-1).toFixed(1), resident().toFixed(1)];
    console.log(cells.map((cell) => String(cell).padStart(10)).join(''));
  }
  const [, early, , late] = rows;
  if (late > early + 2) fault(`the heap went from ${early.toFixed(1)} to ${late.toFixed(1)} MiB with the calls`);
  for (const client of own) client.close();
  gateway.child.kill('SIGINT');
  await gateway.gone;
  console.log(faults.length === 0 ? 'no fault' : `${faults.length} faults`);
}

try {
  await (flags.quiet ? quiet() : main());
} catch (error) {
  fault(error.message);
} finally {
  isOver = true;
  gateway?.child.kill('SIGKILL');
  for (const args of [
    ['delete', '--all', '--yes'],
    ['prune', '--history', '--yes'],
  ]) {
    await ours(args).catch((error) => fault(error.message));
  }
  await ownEngine?.close();
  rmSync(state, { recursive: true, force: true });
  process.exitCode = faults.length === 0 ? 0 : 1;
}
