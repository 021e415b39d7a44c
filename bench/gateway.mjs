import { echoArgv } from './lib/echo-server.mjs';
import { startGateway } from './lib/gateway.mjs';
import { looms, onSpecs, removeProject } from './lib/looms.mjs';
import { mcpClient } from './lib/mcp-http.mjs';
import { inTurn, printRatios, printTable, printVerdicts, runProgram } from './lib/measure.mjs';
import { execStream } from './lib/raw-engine.mjs';
import { serverImage } from './lib/server-image.mjs';
import { names } from './lib/specs.mjs';

const project = 'bench-gateway';
const calls = 2_000;
/** What a gateway is meant to take (docs/performance.md has what it does take). */
const aims = { callMs: 0.5, callsPerCoreSecond: 3_000, memoryMiB: 120, commandRatio: 2.5 };
/** What ToolHive's makers say of `thv mcp call`, ms: for where it cannot be measured. */
const publishedThvCallMs = 31;

const spec = (name, image, protocol) =>
  JSON.stringify({
    name,
    docker_backend: {
      runtime_type: 'custom',
      base_image: image,
      resource_limits: { memory_mb: 1024, pids_limit: 500 },
    },
    mcp_server: { command: echoArgv[0], args: echoArgv.slice(1), protocol },
  });

/** An MCP session straight by a held exec. */
async function heldExec(container) {
  const socket = await execStream(container, echoArgv);
  const waiting = new Map();
  let rest = '';
  socket.setEncoding('latin1').on('data', (piece) => {
    const lines = (rest + piece).split('\n');
    rest = lines.pop();
    for (const line of lines) {
      const message = JSON.parse(line.slice(line.indexOf('{"jsonrpc"')));
      waiting.get(message.id)?.(message.result);
    }
  });
  let lastId = 0;
  const ask = (method, params) =>
    new Promise((resolve) => {
      lastId += 1;
      waiting.set(lastId, resolve);
      socket.write(`${JSON.stringify({ jsonrpc: '2.0', id: lastId, method, params })}\n`);
    });
  await ask('initialize', { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'b', version: '1' } });
  return { call: (name, args) => ask('tools/call', { name, arguments: args }), close: () => socket.destroy() };
}

const at = (sorted, part) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))];

/** Calls of several ways in turn, so that a machine that gets slower slows all; sorted times of each, ms. */
async function callsInTurn(ways) {
  const times = Object.fromEntries(Object.keys(ways).map((name) => [name, []]));
  for (let round = 0; round < calls; round += 1) {
    for (const [name, call] of Object.entries(ways)) {
      const started = performance.now();
      await call(round);
      // The first ones are of code that is not compiled yet.
      if (round >= calls / 5) times[name].push(performance.now() - started);
    }
  }
  return Object.fromEntries(Object.entries(times).map(([name, all]) => [name, all.sort((a, b) => a - b)]));
}

/** ToolHive's proxy in front of the same server, where `thv` is on the PATH. */
async function toolhive(image) {
  try {
    await runProgram('thv', ['version']);
  } catch {
    return undefined;
  }
  await runProgram('thv', ['run', '--name', project, '--transport', 'stdio', image, '--', ...echoArgv]);
  const { stdout } = await runProgram('thv', ['list', '--format', 'json']);
  const { port } = JSON.parse(stdout).find(({ name }) => name === project);
  const client = mcpClient({ host: '127.0.0.1', port, path: '/mcp' });
  await client.open();
  return { call: client.call, close: () => runProgram('thv', ['rm', project]) };
}

async function benchCalls(gateway, image) {
  const where = { socketPath: gateway.socket, path: '/mcp/sessions' };
  const client = mcpClient(where);
  await client.open();
  const exec = await heldExec(`looms-${project}-sessions`);
  const thv = await toolhive(image);
  const own = (call) => (round) => call('echo', { value: `call ${round}` });
  const times = await callsInTurn({
    'straight, by a held exec': own(exec.call),
    'looms serve': own(client.call),
    ...(thv === undefined ? {} : { 'ToolHive’s proxy': own(thv.call) }),
  });
  const [straight] = Object.values(times);
  const rows = (part) => Object.entries(times).map(([name, all]) => [name, at(all, part)]);
  printRatios('A call on an open session, p50', rows(0.5));
  printRatios('A call on an open session, p99', rows(0.99));
  const own50 = at(times['looms serve'], 0.5);
  printVerdicts('A call on an open session through looms serve', [
    { label: 'p50', value: own50, unit: 'ms', digits: 2, most: aims.callMs },
    { label: 'p99', value: at(times['looms serve'], 0.99), unit: 'ms', digits: 2 },
    { label: 'what the gateway adds at p50', value: own50 - at(straight, 0.5), unit: 'ms', digits: 2 },
  ]);
  exec.close();
  await thv?.close();
  const big = async () => {
    const started = performance.now();
    const text = await client.call('big', { value: 1_000_000 });
    if (text.length !== 1_000_000) throw new Error(`an answer of ${text.length} characters`);
    return performance.now() - started;
  };
  await big();
  printTable(
    'Answers of 1 MB',
    Object.entries(await inTurn(20, { 'looms serve': big })).map(([name, ms]) => [name, { ms }]),
  );
  client.close();

  const quiet = mcpClient(where);
  const stalled = mcpClient(where);
  await Promise.all([quiet.open(), stalled.open()]);
  const alone = await callsInTurn({ alone: own(quiet.call) });
  for (let count = 0; count < 10; count += 1) stalled.stall('big', { value: 1_000_000 });
  const beside = await callsInTurn({ beside: own(quiet.call) });
  printRatios('A call, p50', [
    ['alone', at(alone.alone, 0.5)],
    ['beside a client that reads nothing of 10 MB', at(beside.beside, 0.5)],
  ]);
  quiet.close();
  stalled.close();
}

/**
 * What so many clients at once get, and what the gateway itself takes of a core for them.
 *
 * @param {string} what
 * @param {{ cpuMs: () => number }} gateway
 * @param {readonly ((name: string, args: object) => Promise<string>)[]} ways how each of them calls
 * @param {number} all calls, of all of them
 */
async function callsAtOnce(what, gateway, ways, all) {
  const times = [];
  const round = (each, keep) =>
    Promise.all(
      ways.map(async (call, index) => {
        for (let turn = 0; turn < each; turn += 1) {
          const value = `${index}.${turn}`;
          const started = performance.now();
          if ((await call('echo', { value })) !== value) throw new Error('somebody else’s answer');
          if (keep) times.push(performance.now() - started);
        }
      }),
    );
  const each = Math.ceil(all / ways.length);
  await round(Math.ceil(each / 5), false);
  const [cpu, started] = [gateway.cpuMs(), performance.now()];
  await round(each, true);
  const [tookMs, cpuMs] = [performance.now() - started, gateway.cpuMs() - cpu];
  times.sort((a, b) => a - b);
  const perSecond = (ms) => (times.length * 1000) / ms;
  printVerdicts(`${what}; clients, servers and gateway on the same machine`, [
    { label: 'a call, p50', value: at(times, 0.5), unit: 'ms', digits: 2 },
    { label: 'a call, p99', value: at(times, 0.99), unit: 'ms', digits: 2 },
    { label: 'calls', value: perSecond(tookMs), unit: 'a second' },
    {
      label: 'calls, by CPU time of the gateway',
      value: perSecond(cpuMs),
      unit: 'a second',
      least: aims.callsPerCoreSecond,
    },
  ]);
}

async function benchMany(gateway) {
  for (const count of [1, 50, 500]) {
    const clients = Array.from({ length: count }, () => mcpClient({ socketPath: gateway.socket, path: '/mcp/shared' }));
    const ways = clients.map(({ callAlone }) => callAlone);
    await callsAtOnce(`${count} client${count === 1 ? '' : 's'} without sessions`, gateway, ways, 5_000);
    for (const client of clients) client.close();
  }
}

/** As people have it: each client has its session, with a process of its own, and they are of several servers. */
async function benchSessions(gateway, servers) {
  const clients = servers.flatMap((name) =>
    Array.from({ length: 50 / servers.length }, () => mcpClient({ socketPath: gateway.socket, path: `/mcp/${name}` })),
  );
  for (const client of clients) await client.open();
  const ways = clients.map(({ call }) => call);
  await callsAtOnce(`${clients.length} open sessions of ${servers.length} servers`, gateway, ways, 5_000);
  for (const client of clients) client.close();
}

/** A command of its own for each call: the whole process. */
async function benchCommand(image) {
  const run =
    (command, ...args) =>
    async () =>
      (await runProgram(command, args)).ms;
  const call = [looms, 'mcp', 'call', 'sessions', 'echo', 'value=hi', '--project', project];
  const thv = await toolhive(image);
  const kinds = {
    'node -e 0': run(process.execPath, '-e', '0'),
    'looms mcp call, by a gateway': run(process.execPath, ...call),
    'looms mcp call --direct': run(process.execPath, ...call, '--direct'),
    ...(thv === undefined
      ? {}
      : { 'thv mcp call': run('thv', 'mcp', 'call', 'echo', '--server', project, '--args', '{"value":"hi"}') }),
  };
  try {
    for (const work of Object.values(kinds)) await work();
    const times = await inTurn(15, kinds);
    const published = ['thv mcp call (published; thv is not on the PATH)', publishedThvCallMs];
    printRatios('One call as a whole process', [...Object.entries(times), ...(thv === undefined ? [published] : [])]);
    const value = times['looms mcp call, by a gateway'] / times['node -e 0'];
    const label = 'looms mcp call, by a gateway';
    printVerdicts('Beside node -e 0', [{ label, value, unit: 'times', digits: 2, most: aims.commandRatio }]);
  } finally {
    await thv?.close();
  }
}

/** What `looms serve` costs: a call on an open session, calls of many clients, its memory, and a command that uses it. */
export async function benchGateway() {
  const image = await serverImage(project);
  const twenty = names(20);
  const specs = [
    spec('sessions', image, 'legacy'),
    spec('shared', image, '2026-07-28'),
    ...twenty.map((name) => spec(name, image, 'legacy')),
  ];
  await onSpecs(project, specs.join('\n---\n'), ['apply', '--yes']);
  const gateway = await startGateway(project);
  try {
    await benchCalls(gateway, image);
    await benchMany(gateway);
    await benchCommand(image);
    await benchSessions(gateway, twenty.slice(0, 5));
  } finally {
    await gateway.stop();
  }
  const idle = await startGateway(project);
  try {
    const empty = idle.mib();
    const clients = twenty.flatMap((name) =>
      Array.from({ length: 5 }, () => mcpClient({ socketPath: idle.socket, path: `/mcp/${name}` })),
    );
    for (const client of clients) await client.open();
    for (const client of clients) await client.call('echo', { value: 'hi' });
    printVerdicts('Memory of the gateway (PSS)', [
      { label: 'nobody there', value: empty, unit: 'MiB' },
      { label: '20 servers, 100 idle sessions', value: idle.mib(), unit: 'MiB', most: aims.memoryMiB },
    ]);
    const cpu = idle.cpuMs();
    const watchedMs = 20_000;
    await new Promise((resolve) => setTimeout(resolve, watchedMs));
    console.log(`  ${(((idle.cpuMs() - cpu) / watchedMs) * 100).toFixed(2)} % of a core while nobody asks anything`);
    for (const client of clients) client.close();
  } finally {
    await idle.stop();
    await removeProject(project);
  }
}
