/**
 * A night in miniature: servers are stopped, killed, removed, renamed, updated, disconnected and run out of memory,
 * their specs change and break in Git, a secret goes and comes back, an image is another one, while `looms watch` and
 * `looms serve` run and clients call. Prints how long each kind of deviation lasted, and fails where something is not as
 * declared in the end, something foreign is another one than before, a generation has no reason in `looms events`, the heap
 * of the loop went on growing, or a call failed whose server nobody had taken from its clients.
 *
 *   npm run test:chaos                       ten minutes, twenty servers
 *   npm run test:chaos -- --minutes 3 --servers 8
 *   npm run test:chaos -- --pictures FOLDER  the page of the gateway in Chromium, at the end of the night and when it is over
 *   npm run test:chaos -- --together         the loop in the gateway, `looms serve --watch`: its page knows what is declared
 *   npm run test:chaos -- --restart-engine   on an engine of its own, which is restarted, too (Linux, root)
 *   npm run test:chaos -- --quiet            nothing happens: the idle CPU of the loop with 50 servers, and its heap by the minute
 */
import { execFileSync, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { get } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { echoArgv } from './lib/echo-server.mjs';
import { looms } from './lib/looms.mjs';
import { mcpClient } from './lib/mcp-http.mjs';
import { median, runProgram } from './lib/measure.mjs';
import { startOwnEngine } from './lib/own-engine.mjs';
import { takePictures } from './lib/pictures.mjs';

const { values: flags } = parseArgs({
  options: {
    minutes: { type: 'string', default: '10' },
    servers: { type: 'string' },
    quiet: { type: 'boolean', default: false },
    pictures: { type: 'string' },
    together: { type: 'boolean', default: false },
    'restart-engine': { type: 'boolean', default: false },
  },
});
const nodeImage = 'node:24-slim';
const images = [nodeImage, 'python:3.13-slim'];
const ownEngine = flags['restart-engine'] ? await startOwnEngine(images) : undefined;
if (ownEngine !== undefined) process.env.DOCKER_HOST = ownEngine.host;
// It goes to the engine that is named when it is loaded.
const { call: engineCall } = await import('./lib/raw-engine.mjs');
const lastsMs = Number(flags.minutes) * 60_000;
const project = `chaos-${randomBytes(3).toString('hex')}`;
const folder = mkdtempSync(join(tmpdir(), 'looms-chaos-'));
const repository = join(folder, 'specs');
const env = {
  ...process.env,
  LOOMS_PROJECT: project,
  XDG_STATE_HOME: join(folder, 'state'),
  XDG_CONFIG_HOME: join(folder, 'config'),
};
const names = Array.from({ length: Number(flags.servers ?? (flags.quiet ? 50 : 20)) }, (_, index) => `s${index}`);
/** Of these servers one takes its image by a tag that moves, another one a secret. */
const [tagged, secretive] = names;
const movingTag = `${project}:latest`;
/** What takes a server from its clients, so that their calls may fail until it is repaired, and so long after that, ms. */
const takesAway = new Set(['stop', 'kill', 'remove', 'disconnect', 'pause', 'memory', 'engine', 'no secret']);
const harmMs = 15_000;
/** How long the loop may take to make all as declared when nothing happens any more, ms: its longest pause, and a run. */
const settlesMs = 360_000;
/** How much the loop's heap may grow from the second quarter of the time to the last: what is left of noise. */
const growth = 1.25;
/** How long a program may take to tell its heap, ms, and of how few samples nothing can be said. */
const heapMs = 30_000;
const leastSamples = 8;
/** What the loop may take of a core while nothing happens, of up to 50 servers, %. */
const mostIdle = 1;
/** Has a program say what its heap holds once all garbage is collected, bytes: when that is done is otherwise V8's to choose. */
const sayHeap = 'process.on("SIGUSR2",()=>{gc();process.stderr.write("heap="+process.memoryUsage().heapUsed+";")})';
const heapOptions = `--expose-gc --import=data:text/javascript,${encodeURIComponent(sayHeap)}`;

const declared = new Map(names.map((name) => [name, { memoryMiB: 512, revision: 0 }]));
const specOf = (name) => {
  const { memoryMiB, revision } = declared.get(name);
  return JSON.stringify({
    name,
    docker_backend: {
      runtime_type: 'custom',
      base_image: name === tagged ? movingTag : 'node:24-slim',
      environment: { REVISION: String(revision) },
      resource_limits: { memory_mb: memoryMiB, pids_limit: 200 },
      // What nobody sets is what a quiet loop is measured with.
      ...(flags.quiet ? {} : { lifecycle: { health_check_interval_seconds: 20, rotate_on_image_change: true } }),
    },
    mcp_server: {
      command: echoArgv[0],
      args: echoArgv.slice(1),
      ...(name === secretive ? { env: { TOKEN: '${secret:chaos_token}' } } : {}),
    },
  });
};
const git = (...args) => execFileSync('git', ['-C', repository, ...args], { stdio: 'pipe', encoding: 'utf8' });
function commit(text) {
  for (const name of names) writeFileSync(join(repository, `${name}.yaml`), specOf(name));
  git('add', '-A');
  git('-c', 'user.name=chaos', '-c', 'user.email=chaos@example.com', 'commit', '-qm', text, '--allow-empty');
}
const ours = (args, more = {}) => runProgram(process.execPath, [looms, ...args], { env, ...more });
const any = (list) => list[Math.floor(Math.random() * list.length)];
const containerOf = (name) => `looms-${project}-${name}`;
const onContainer = (name, method, what, body) => engineCall(method, `/containers/${containerOf(name)}${what}`, body);

const faults = [];
const fault = (text) => {
  faults.push(text);
  console.error(`  FAULT ${text}`);
};
let isOver = false;
const begunAt = performance.now();

/** What was done to a server, until the loop has told that it is as declared again. */
const open = new Map();
/** Seconds from a deviation to the moment when the loop had repaired it, by kind. */
const repaired = new Map();
/** When a server was taken from its clients last, and from when on it counts as given back, by the clock of this program, ms. */
const taken = new Map();
const harm = (name, kind) => {
  if (takesAway.has(kind)) taken.set(name, { at: performance.now(), backAt: Number.POSITIVE_INFINITY });
  if (!open.has(name)) open.set(name, { kind, since: performance.now() });
};

/** Of the gateway, once it has told. */
let socketPath;
/** What the loop told, one object each. */
const told = [];
const giveBack = (name) => {
  const one = taken.get(name);
  if (one !== undefined) one.backAt = performance.now() + harmMs;
};
function hear(event) {
  socketPath ??= event.socket;
  told.push(event);
  const done = event.type === 'changed' ? event.servers.filter(({ outcome }) => outcome !== 'unchanged') : [];
  for (const { server, outcome } of done) {
    if (outcome !== 'done') continue;
    // What was done to it while it was being repaired is the next repair's.
    if ((taken.get(server)?.at ?? 0) < performance.now() - event.milliseconds) giveBack(server);
    const what = open.get(server);
    if (what === undefined) continue;
    open.delete(server);
    repaired.set(what.kind, [...(repaired.get(what.kind) ?? []), (performance.now() - what.since) / 1000]);
  }
}

function start(args, onLine) {
  const child = spawn(process.execPath, [looms, ...args, '--json'], {
    env: { ...env, NODE_OPTIONS: heapOptions },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const started = { child, said: '', gone: new Promise((resolve) => child.once('exit', resolve)) };
  child.stderr.on('data', (piece) => {
    started.said = (started.said + piece).slice(-20_000);
  });
  let rest = '';
  child.stdout.on('data', (piece) => {
    const lines = (rest + piece).split('\n');
    rest = lines.pop();
    for (const line of lines.filter(Boolean)) onLine(JSON.parse(line));
  });
  return started;
}

const counts = { calls: 0, answered: 0, harmed: 0 };
/** What the heap of a program holds without garbage, MiB. */
async function heapOf({ child, gone }) {
  const said = new Promise((resolve) => {
    let text = '';
    const hear = (piece) => {
      text += piece;
      const [, bytes] = /heap=(\d+);/.exec(text) ?? [];
      if (bytes === undefined) return;
      child.stderr.off('data', hear);
      resolve(Number(bytes) / 2 ** 20);
    };
    child.stderr.on('data', hear);
  });
  child.kill('SIGUSR2');
  const ended = gone.then(() => {
    throw new Error('it has ended');
  });
  const late = delay(heapMs, undefined, { ref: false }).then(() => {
    throw new Error(`it did not tell its heap within ${heapMs / 1000} s`);
  });
  return Promise.race([said, ended, late]);
}

/** Asks the gateway for its metrics, as a scraper does: the charts of its page have points of these looks. */
function scrape() {
  const request = get({ socketPath, path: '/metrics' }, (response) => {
    if (response.statusCode !== 200) fault(`/metrics answered ${response.statusCode}`);
    response.resume();
  });
  request.on('error', (error) => fault(`/metrics did not answer: ${error.message}`));
}

/** Calls servers through the gateway; a failure is one where nobody has taken the server away. */
async function client() {
  while (!isOver) {
    const name = any(names);
    const one = mcpClient({ socketPath, path: `/mcp/${name}` });
    try {
      await one.open();
      for (let turn = 0; turn < 5 && !isOver; turn += 1) {
        counts.calls += 1;
        const value = `v${counts.calls}`;
        const answer = await one.call('echo', { value });
        if (answer !== value) fault(`${name} answered ${value} with ${answer}`);
        counts.answered += 1;
        await delay(50);
      }
    } catch (error) {
      if (performance.now() < (taken.get(name)?.backAt ?? 0)) counts.harmed += 1;
      else if (!isOver) fault(`a call of ${name}, which nobody had harmed, failed: ${error.message}`);
      await delay(200);
    }
    one.close();
    await delay(100);
  }
}

/**
 * Whether something can be paused: where an exec begins in that moment, Engine 20.10 never lets go of the container again,
 * and answers nothing about it until it is started anew.
 */
const canPause = Number.parseInt((await engineCall('GET', '/version')).Version, 10) >= 23;

/** All that happens in the night: by its kind, what is done to which server. */
const deeds = {
  ...(canPause ? { pause: (name) => onContainer(name, 'POST', '/pause') } : {}),
  stop: (name) => onContainer(name, 'POST', '/stop?t=1'),
  kill: (name) => onContainer(name, 'POST', '/kill'),
  remove: (name) => onContainer(name, 'DELETE', '?force=true'),
  rename: (name) => onContainer(name, 'POST', `/rename?name=taken-${randomBytes(3).toString('hex')}`),
  update: (name) => onContainer(name, 'POST', '/update', { Memory: 640 * 2 ** 20, MemorySwap: 640 * 2 ** 20 }),
  disconnect: (name) =>
    engineCall('POST', `/networks/looms-${project}/disconnect`, { Container: containerOf(name), Force: true }),
  /** The kernel ends the process; nothing is to be repaired where it was no more than a process beside the server. */
  memory: async (name) => {
    const script = 'const all=[];for(;;)all.push(Buffer.alloc(1<<24,1))';
    const { Id } = await onContainer(name, 'POST', '/exec', { Cmd: ['node', '-e', script] });
    await engineCall('POST', `/exec/${Id}/start`, { Detach: true });
    open.delete(name);
    await eventually(async () => (await engineCall('GET', `/exec/${Id}/json`)).Running === false);
    giveBack(name);
  },
  spec: async (name) => {
    const one = declared.get(name);
    one.revision += 1;
    one.memoryMiB = any([448, 512, 576]);
    commit(`${name} is another one`);
  },
};
const deedsOfAll = {
  brokenSpec: async () => {
    writeFileSync(join(repository, 'broken.yaml'), 'name: [not a name\n');
    git('add', '-A');
    git('-c', 'user.name=chaos', '-c', 'user.email=chaos@example.com', 'commit', '-qm', 'broken');
    await delay(8_000);
    rmSync(join(repository, 'broken.yaml'));
    commit('mended');
  },
  image: async () => {
    // Only what has Node passes the gate: a replacement by the one without fails, and what served still does.
    const from = Math.random() < 0.3 ? any(images) : nodeImage;
    if (from === nodeImage) harm(tagged, 'image');
    await moveTag(from);
  },
  secret: async () => {
    harm(secretive, 'secret');
    // No session of it can begin in between.
    harm(secretive, 'no secret');
    await ours(['config', 'delete-key', 'chaos_token', '--store', 'file']).catch(() => {});
    await delay(5_000);
    await ours(['config', 'set-key', 'chaos_token', '--store', 'file'], { input: randomBytes(12).toString('hex') });
    giveBack(secretive);
  },
};
/** Has the tag that moves mean an image that nothing was before: one like `from`. */
const moveTag = async (from) =>
  engineCall('POST', `/commit?container=${await scratchOf(from)}&repo=${project}&tag=latest&comment=${Date.now()}`);
const scratch = new Map();
async function scratchOf(image) {
  if (!scratch.has(image)) {
    const { Id } = await engineCall('POST', `/containers/create`, {
      Image: image,
      Labels: { 'looms.test': project },
      Cmd: ['true'],
    });
    scratch.set(image, Id);
  }
  return scratch.get(image);
}

/** How often each kind was done: of several on one server that is not repaired yet, the first is the deviation. */
const tally = new Map();
const deedsDone = () => [...tally.values()].reduce((sum, times) => sum + times, 0);
const count = (kind) => tally.set(kind, (tally.get(kind) ?? 0) + 1);
const restoreTaken = (name, before) => (before === undefined ? taken.delete(name) : taken.set(name, before));
async function night(endsAt) {
  while (performance.now() < endsAt) {
    const deed = any([...Object.keys(deeds), ...Object.keys(deeds), ...Object.keys(deedsOfAll)]);
    const name = any(names);
    const before = taken.get(name);
    try {
      if (deed in deedsOfAll) await deedsOfAll[deed]();
      else {
        harm(name, deed);
        await deeds[deed](name);
      }
      count(deed);
    } catch {
      // It is not there, or not so, any more: another deed was faster.
      if (deed in deeds && open.get(name)?.kind === deed) open.delete(name);
      if (deed in deeds && takesAway.has(deed)) restoreTaken(name, before);
    }
    await delay(500 + Math.random() * 2_500);
  }
}

async function restartEngine() {
  for (const name of names) harm(name, 'engine');
  await ownEngine.stop();
  await ownEngine.start();
  count('engine');
  // Those that came up by themselves are no repair of the loop, which then tells nothing of them.
  const away = new Map(names.map((name) => [name, taken.get(name)]));
  while (away.size > 0 && !isOver) {
    await delay(3_000);
    // There is none while a spec is broken.
    const { stdout } = await ours(['diff', '-f', repository, '--json'], { exits: [0, 2] }).catch(() => ({}));
    for (const { server, action } of stdout === undefined ? [] : JSON.parse(stdout).changes) {
      if (action !== 'unchanged') continue;
      if (open.get(server)?.kind === 'engine') open.delete(server);
      const one = away.get(server);
      // What was done to it since is given back by its own repair.
      if (one !== undefined && taken.get(server) === one) giveBack(server);
      away.delete(server);
    }
  }
}

const psOf = (pid) => Number(/^Pss:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'))[1]) / 1024;
const ticksOf = (pid) => {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1].split(' ');
  return Number(fields[11]) + Number(fields[12]);
};

/** A container, a network and a volume that nobody of looms made; what comes back tells of them as the engine does now. */
async function foreign() {
  const name = `${project}-foreign`;
  const labels = { 'looms.test': project };
  await engineCall('POST', '/networks/create', { Name: name, Labels: labels });
  await engineCall('POST', '/volumes/create', { Name: name, Labels: labels });
  await engineCall('POST', `/containers/create?name=${name}`, {
    Image: nodeImage,
    Labels: { ...labels, other: 'true' },
    Cmd: ['sleep', '100000'],
    HostConfig: { NetworkMode: name, Binds: [`${name}:/data`] },
  });
  await engineCall('POST', `/containers/${name}/start`);
  return async () => {
    const at = (path) => engineCall('GET', `${path}/${name}${path === '/containers' ? '/json' : ''}`);
    const [container, network, volume] = await Promise.all(['/containers', '/networks', '/volumes'].map(at));
    // An engine that is restarted ends what runs.
    if (ownEngine !== undefined) {
      for (const key of ['State', 'NetworkSettings', 'ResolvConfPath']) delete container[key];
      delete network.Containers;
    }
    // Of a list with nothing in it a restarted engine says that it is empty, where it said that there is none.
    const plain = (_, value) => (Array.isArray(value) && value.length === 0 ? null : value);
    return JSON.stringify({ container, network, volume }, plain);
  };
}

function printRepairs() {
  const row = (kind, times, seconds) => {
    const figures =
      seconds.length === 0 ? ['-', '-'] : [median(seconds), Math.max(...seconds)].map((one) => one.toFixed(1));
    console.log(
      [kind.padEnd(12), ...[times, seconds.length, ...figures].map((cell) => String(cell).padStart(10))].join(''),
    );
  };
  console.log('\ndeed              done  repaired  median s   worst s');
  for (const [kind, times] of [...tally].toSorted()) row(kind, times, repaired.get(kind) ?? []);
  row('all', deedsDone(), [...repaired.values()].flat());
}

/** Each generation of a server has a change in `looms events` with its reasons, and none was asked for: nobody did. */
async function checkReasons() {
  const since = `${Math.ceil((performance.now() - begunAt) / 1000) + 60}s`;
  const events = (await ours(['events', '--since', since, '--json'])).stdout.split('\n').filter(Boolean);
  const changes = events.map((line) => JSON.parse(line)).filter(({ source }) => source === 'looms');
  for (const { server, action, reasons, cause } of changes) {
    if (reasons.length === 0) fault(`events: ${server} was changed (${action}) without a reason`);
    if (reasons.some(({ kind }) => kind === 'requested')) fault(`events: ${server} was changed as asked for by nobody`);
    if (cause.trigger === undefined || cause.trigger === 'person')
      fault(`events: ${server} was changed by ${cause.trigger}`);
  }
  const { stdout } = await ours(['get', '--json']);
  for (const { name, generation } of JSON.parse(stdout).servers ?? JSON.parse(stdout)) {
    const told = new Set(changes.filter(({ server }) => server === name).map(({ gen }) => gen?.to));
    for (let one = 1; one <= generation; one += 1) {
      if (!told.has(one)) fault(`events: nothing tells of generation ${one} of ${name}`);
    }
  }
}

/** Pictures of the page, with the servers in it whose past is the longest. */
async function picture(name) {
  if (flags.pictures === undefined) return;
  const changesOf = (server) =>
    told.filter(
      ({ type, servers }) =>
        type === 'changed' && servers.some((one) => one.server === server && one.outcome !== 'unchanged'),
    ).length;
  const servers = names.toSorted((a, b) => changesOf(b) - changesOf(a)).slice(0, 2);
  const address = async () => JSON.parse((await ours(['dashboard', '--json'])).stdout).url;
  for (const problem of await takePictures(flags.pictures, { name, servers, address })) fault(`the page, ${problem}`);
}

/** What the loop takes while nothing happens: of a core, and of memory by the minute. */
async function quiet(loop) {
  // What follows from the begin, as the first listing after it, is not idle yet.
  await delay(30_000);
  const before = { at: performance.now(), ticks: ticksOf(loop.child.pid) };
  const heap = [];
  // The garbage that is collected for this program is none of the loop's work.
  let asked = 0;
  for (let minute = 0; minute < Number(flags.minutes); minute += 1) {
    await delay(60_000);
    const then = ticksOf(loop.child.pid);
    heap.push(await heapOf(loop));
    asked += ticksOf(loop.child.pid) - then;
    console.log(
      `minute ${minute + 1}: heap ${heap.at(-1).toFixed(1)} MiB without garbage, with all of Node ${psOf(loop.child.pid).toFixed(0)} MiB`,
    );
  }
  const idle = (ticksOf(loop.child.pid) - before.ticks - asked) / ((performance.now() - before.at) / 1000);
  console.log(`idle: ${idle.toFixed(2)} % of a core with ${names.length} servers`);
  if (idle >= mostIdle && names.length <= 50) fault(`the idle loop takes ${idle.toFixed(2)} % of a core`);
  const [first, last] = [heap[1] ?? heap[0], heap.at(-1)];
  if (last > first * growth)
    fault(`the heap of a loop with nothing to do went from ${first.toFixed(1)} to ${last.toFixed(1)} MiB`);
}

/** Waits until something is so; throws after a minute. */
async function eventually(isSo) {
  for (const since = performance.now(); !(await isSo()); await delay(200)) {
    if (performance.now() - since > 60_000) throw new Error('it did not become so');
  }
}

const everyProgram = [];
async function main() {
  mkdirSync(repository, { recursive: true });
  git('init', '-q', '-b', 'main');
  commit('all');
  await engineCall('POST', `/images/node:24-slim/tag?repo=${project}&tag=latest`);
  await ours(['config', 'set-key', 'chaos_token', '--store', 'file'], { input: 'first-token-of-chaos' });
  const theirs = await foreign();
  const theirsBefore = await theirs();
  const ofLoop = ['--git', `file://${repository}`, ...(flags.quiet ? [] : ['--interval', '5'])];
  const listen = flags.pictures === undefined ? [] : ['--listen', '127.0.0.1:0'];
  const ofGateway = ['serve', '--idle', '10', ...listen];
  const loop = start(flags.together ? [...ofGateway, '--watch', ...ofLoop] : ['watch', ...ofLoop], hear);
  everyProgram.push(loop);
  const isUp = () => told.some(({ type }) => type === 'in-sync');
  const since = performance.now();
  while (!isUp()) {
    if (loop.child.exitCode !== null || performance.now() - since > settlesMs)
      throw new Error(`the loop does not begin: ${loop.said}`);
    await delay(200);
  }
  console.log(`${names.length} servers as declared after ${((performance.now() - since) / 1000).toFixed(1)} s`);
  if (flags.quiet) return quiet(loop);
  const gateway = flags.together ? loop : start(ofGateway, hear);
  everyProgram.push(gateway);
  while (socketPath === undefined) {
    if (gateway.child.exitCode !== null) throw new Error(`looms serve ended: ${gateway.said}`);
    await delay(100);
  }
  const startedAt = performance.now();
  const clients = Array.from({ length: 4 }, client);
  const scraping = setInterval(scrape, 60_000);
  const memory = [];
  const heap = [];
  const sample = async () => {
    memory.push(psOf(loop.child.pid));
    heap.push(await heapOf(loop));
  };
  const sampling = setInterval(() => sample().catch(() => {}), Math.max(5_000, lastsMs / 80));
  const working = night(startedAt + lastsMs);
  if (ownEngine !== undefined) setTimeout(() => restartEngine().catch((error) => fault(error.message)), lastsMs / 2);
  await working;
  clearInterval(sampling);
  clearInterval(scraping);
  await picture('night');
  isOver = true;
  await Promise.all(clients);
  // One that cannot serve would never be as declared.
  await moveTag(nodeImage);
  declared.get(names.at(-1)).revision += 1;
  commit('the last one');

  const until = performance.now() + settlesMs;
  let last;
  do {
    await delay(3_000);
    last = await ours(['diff', '-f', repository]).then(
      () => undefined,
      (error) => error,
    );
  } while (last !== undefined && performance.now() < until);
  if (last !== undefined) fault(`not as declared ${settlesMs / 1000} s after the last deed: ${last.message}`);
  await picture('morning');
  if (loop.child.exitCode !== null) fault(`the loop ended with ${loop.child.exitCode}: ${loop.said}`);
  if (gateway.child.exitCode !== null) fault(`the gateway ended with ${gateway.child.exitCode}: ${gateway.said}`);
  printRepairs();
  const theirsAfter = await theirs();
  if (theirsAfter !== theirsBefore) fault(`what is foreign was ${theirsBefore}, and is ${theirsAfter}`);
  await checkReasons();
  const quarters = (list) => {
    const quarter = Math.floor(list.length / 4);
    return [list.slice(quarter, 2 * quarter), list.slice(-quarter)].map((part) => median(part));
  };
  if (heap.length < leastSamples) fault(`the heap of the loop was told only ${heap.length} times`);
  const [early, late] = quarters(heap);
  if (late > early * growth) fault(`the loop's heap went from ${early.toFixed(1)} to ${late.toFixed(1)} MiB`);
  const [earlyAll, lateAll] = quarters(memory);
  console.log(
    `\n${deedsDone()} deeds in ${flags.minutes} minutes; ${counts.answered} of ${counts.calls} calls answered, ${counts.harmed} failed where the server had been harmed`,
  );
  console.log(
    `the loop: heap ${early.toFixed(1)} MiB early, ${late.toFixed(1)} MiB late, without garbage; with all of Node ${earlyAll.toFixed(0)} and ${lateAll.toFixed(0)} MiB`,
  );
  console.log(faults.length === 0 ? 'no fault' : `${faults.length} faults`);
}

try {
  await main();
} catch (error) {
  fault(error.stack);
} finally {
  isOver = true;
  for (const { child, gone } of everyProgram) {
    child.kill('SIGTERM');
    await gone;
  }
  for (const args of [
    ['delete', '--all', '--yes'],
    ['prune', '--history', '--yes'],
  ]) {
    await ours(args).catch((error) => fault(error.message));
  }
  const filters = encodeURIComponent(JSON.stringify({ label: [`looms.test=${project}`] }));
  const left = await engineCall('GET', `/containers/json?all=true&filters=${filters}`).catch(() => []);
  for (const { Id } of left) await engineCall('DELETE', `/containers/${Id}?force=true`).catch(() => {});
  await engineCall('DELETE', `/networks/${project}-foreign`).catch(() => {});
  await engineCall('DELETE', `/volumes/${project}-foreign`).catch(() => {});
  await engineCall('DELETE', `/images/${project}:latest?force=true`).catch(() => {});
  await ownEngine?.close();
  rmSync(folder, { recursive: true, force: true });
  process.exitCode = faults.length === 0 ? 0 : 1;
}
