import { readdirSync, readFileSync } from 'node:fs';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { Engine } from '../../../src/docker/port.ts';
import { createSessionSource, openSession } from '../../../src/mcp/client/connect.ts';
import { clientInfo } from '../../../src/mcp/client/converse.ts';
import { runGate } from '../../../src/mcp/client/gate.ts';
import type { Session, SessionOptions } from '../../../src/mcp/client/session.ts';
import { LoomsError, withHint } from '../../../src/model/errors.ts';
import { eventually } from '../../support/eventually.ts';
import { fixture, localEngine, serversIn, targetFor } from './local-engine.ts';

const node = process.execPath;
const argv = (...flags: string[]) => [node, fixture('plain.mjs'), ...flags];
const call = { timeoutMs: 60_000 };

const sessions: Session[] = [];
async function open(flags: string[], overrides: Parameters<typeof targetFor>[2] = {}, options: SessionOptions = {}) {
  const local = localEngine();
  const session = await openSession(targetFor(local.engine, argv(...flags), overrides), options);
  sessions.push(session);
  return { session, execs: local.execs };
}

const unhandled: unknown[] = [];
const onUnhandled = (reason: unknown) => unhandled.push(reason);
beforeAll(() => {
  process.on('unhandledRejection', onUnhandled);
});
afterEach(async () => {
  await Promise.all(sessions.splice(0).map((session) => session.close()));
});
afterAll(() => {
  process.off('unhandledRejection', onUnhandled);
  expect(unhandled).toEqual([]);
});

async function failureOf(promise: Promise<unknown>): Promise<LoomsError> {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!(error instanceof LoomsError)) throw new Error(`expected a LoomsError, got ${String(error)}`);
  return error;
}

/** Processes of this machine whose environment holds the text. */
function processesWith(variable: string): string[] {
  return readdirSync('/proc').filter((name) => {
    if (!/^\d+$/.test(name)) return false;
    try {
      return readFileSync(`/proc/${name}/environ`, 'latin1').split('\0').includes(variable);
    } catch {
      return false; // It ended between the two calls.
    }
  });
}

describe('a session whose end is only sent', () => {
  const trusting = { trusting: true };
  async function openKnown(known: Map<string, string>, env: Record<string, string>, ...flags: string[]) {
    const graceMs = flags.includes('--stubborn') ? 200 : 20_000;
    const local = localEngine();
    const source = createSessionSource({
      recall: async (key) => known.get(key) ?? known.get(''),
      remember: async (key, verdict) => void known.set(key, verdict),
    });
    const target = { ...targetFor(local.engine, argv(...flags), { env }), image: 'sha256:a' };
    const session = await source(target, { graceMs, lifetimeMs: 2_500 });
    sessions.push(session);
    return { session, execs: local.execs };
  }

  it('is waited for where nobody saw yet how its server ends, which is remembered', async () => {
    const known = new Map<string, string>();
    const { session } = await openKnown(known, { GIVEN: 'first-end' });
    await session.close(trusting);
    expect([processesWith('GIVEN=first-end'), [...known.values()]]).toEqual([[], ['by itself']]);
    const stubborn = await openKnown(known, { GIVEN: 'no-end' }, '--stubborn');
    await stubborn.session.close(trusting);
    expect([processesWith('GIVEN=no-end'), [...known.values()]]).toEqual([[], ['by itself', 'ended']]);
  });

  it('is not waited for where the server ended by itself before; if it does not, its lease ends it', async () => {
    const { session, execs } = await openKnown(new Map([['', 'by itself']]), { GIVEN: 'a-lie' }, '--ignore-eof');
    await session.close(trusting);
    expect(processesWith('GIVEN=a-lie').length).toBeGreaterThan(0);
    await eventually(() => expect(processesWith('GIVEN=a-lie')).toEqual([]), 12_000);
    expect(execs).toHaveLength(1);
  }, 15_000);
});

describe('a stdio session', () => {
  it('tells who the server is, lists its tools sorted and calls one', async () => {
    const { session } = await open([], { env: { GIVEN: 'from env' } });
    expect(session.server).toEqual({ name: 'plain', version: '1.2.3' });
    expect(session.protocolVersion).toBe('2025-06-18');
    expect(session.instructions).toBe('be kind');
    const { tools } = await session.listTools();
    expect(tools.map((tool) => tool.name)).toEqual(['list_directory', 'read_file', 'search', 'write_file']);
    expect(tools[0]?.['x-odd']).toBe(true);
    expect(await session.callTool('read_file', { path: 'a' }, call)).toEqual({
      content: [{ type: 'text', text: 'read_file {"path":"a"} from env' }],
    });
  });

  it('ends a server that leaves by itself without another exec', async () => {
    const { session, execs } = await open([], {}, { graceMs: 5_000 });
    await session.close();
    expect(execs).toHaveLength(1);
  });

  it('ends a server that ignores both the end of its input and SIGTERM, and its children', async () => {
    const mark = `MARK=${process.pid}-stubborn`;
    const { session, execs } = await open(
      ['--stubborn', '--children'],
      { env: { MARK: `${process.pid}-stubborn` } },
      { graceMs: 50 },
    );
    await eventually(() => expect(processesWith(mark).length).toBeGreaterThanOrEqual(3));
    await session.close();
    expect(execs).toHaveLength(2);
    expect(processesWith(mark)).toEqual([]);
  });

  it('ends by itself at its time limit when nobody is left to end it', async () => {
    const mark = `MARK=${process.pid}-limit`;
    const { session } = await open(['--ignore-eof'], { env: { MARK: `${process.pid}-limit` } }, { lifetimeMs: 5_000 });
    await eventually(() => expect(processesWith(mark)).toEqual([]), 12_000);
    expect((await failureOf(session.callTool('read_file', {}, call))).code).toBe('server-exited');
  });

  it('passes over lines that are no messages, and reports them', async () => {
    const stray: string[] = [];
    const { session } = await open(['--stray'], {}, { onStray: (line) => stray.push(line) });
    expect((await session.listTools()).tools).toHaveLength(4);
    expect(stray).toEqual(['starting up…', '{"level":"info","msg":"ready"}']);
  });

  it('follows pages', async () => {
    const { session } = await open(['--pages']);
    expect((await session.listTools()).tools).toHaveLength(4);
  });

  it('reads a list again that changed while it was read, and not without end', async () => {
    const { session } = await open(['--changing']);
    expect(await session.findTool('list_directory')).toMatchObject({ name: 'list_directory' });
    expect(await session.findTool('write_file')).toMatchObject({ name: 'write_file' });
    const { session: restless } = await open(['--changing', '--always']);
    expect((await restless.listTools()).tools).toHaveLength(4);
  });

  it('does not page without end', async () => {
    const { session } = await open(['--endless']);
    expect((await failureOf(session.listTools())).message).toMatch(/more than 100 pages/);
  });

  it('lists nothing for a server without tools', async () => {
    const { session } = await open(['--no-tools']);
    expect((await session.listTools()).tools).toEqual([]);
    expect((await failureOf(session.callTool('x', {}, call))).hint).toBe('It has no tools at all.');
  });

  it('refuses sampling, elicitation and roots, and answers ping', async () => {
    const { session } = await open(['--asks']);
    const result = await session.callTool('read_file', {}, call);
    expect(JSON.parse(String(result.content[0]?.text))).toEqual({
      'sampling/createMessage': -32601,
      'elicitation/create': -32601,
      'roots/list': -32601,
      ping: 'answered',
    });
  });

  it('takes the first of two answers and goes on', async () => {
    const { session } = await open(['--twice']);
    const first = await session.callTool('read_file', {}, call);
    expect(first.content[0]?.text).toBe('first');
    expect((await session.callTool('read_file', {}, call)).content[0]?.text).toBe('first');
  });

  it('is not stopped by a flood of notifications', async () => {
    const { session } = await open(['--flood']);
    expect((await session.callTool('read_file', {}, call)).content).toHaveLength(1);
  });

  it('hands progress on', async () => {
    const { session } = await open(['--progress']);
    const seen: unknown[] = [];
    await session.callTool('read_file', {}, { ...call, onProgress: (progress) => seen.push(progress) });
    expect(seen).toEqual([{ progress: 1, total: 2, message: 'half' }]);
  });

  it('gives a result without content an empty one', async () => {
    const { session } = await open(['--no-content']);
    expect(await session.callTool('read_file', {}, call)).toEqual({ content: [], structuredContent: { n: 1 } });
  });

  it('returns a tool error as a result', async () => {
    const { session } = await open([]);
    expect((await session.callTool('search', {}, call)).isError).toBe(true);
  });
});

describe('what goes wrong in a stdio session', () => {
  it('names the exit code of a server that ends at once, with its last words', async () => {
    const local = localEngine();
    const error = await failureOf(openSession(targetFor(local.engine, argv('--exit-on-start'))));
    expect(error.code).toBe('server-exited');
    expect(error.message).toBe('unit exited with code 3 during the handshake');
    expect(error.detail).toContain('last log line');
  });

  it('names the limit and the open sessions where no process could be started', async () => {
    const target = targetFor(localEngine().engine, argv('--cannot-fork'), { hasShell: false });
    expect(await failureOf(openSession(target))).toMatchObject({
      code: 'server-exited',
      message: 'unit exited with code 2 during the handshake (no more processes could be started)',
      hint: expect.stringMatching(/docker_backend\.resource_limits\.pids_limit.*sessions/),
    });
  });

  it.each([
    [
      'the engine could start nothing',
      'echo nothing; exit 126',
      /session: the engine could start no process in its container$/,
    ],
    [
      'another of its kind had no room',
      'echo 1 >&2; echo looms-no-room 8 processes 98 100 >&2; exit 75',
      /: 8 are open, 98 of 100 pro/,
    ],
    ['the kernel ended it for memory', 'echo 1 >&2; kill -9 $$', /its memory was exhausted/],
  ])('is tried again in time where %s, and says in the end what there is too little of', async (_, script, message) => {
    const { engine } = localEngine({ sessions: 3 });
    const crowded = (times: number): Engine => {
      let left = times;
      const exec: Engine['exec'] = (id, request) =>
        engine.exec(id, left-- > 0 ? { argv: ['sh', '-c', script] } : request);
      return new Proxy(engine, { get: (target, key) => (key === 'exec' ? exec : Reflect.get(target, key)) });
    };
    const session = await openSession(targetFor(crowded(2), argv()), { connectTimeoutMs: 8_000 });
    sessions.push(session);
    expect((await session.listTools()).tools).toHaveLength(4);
    expect(await failureOf(openSession(targetFor(crowded(100), argv()), { connectTimeoutMs: 2_500 }))).toMatchObject({
      code: 'server-crowded',
      message: expect.stringMatching(message),
      hint: expect.stringMatching(/^raise .*(pids_limit|memory_mb).*fewer sessions open/),
    });
  });

  it.each([
    [0, 0, 3, { code: 'server-crowded', message: expect.stringContaining('3 are open, the number of its processes') }],
    [0, 2, 0, { code: 'server-crowded', message: expect.stringContaining('2 are open, the number of its processes') }],
    [0, 2, null, { code: 'server-crowded', message: expect.stringContaining('2 are open, ') }],
    [0, 0, 0, { code: 'server-exited', message: expect.stringContaining('no more processes could be started') }],
    [1, 0, 3, { code: 'server-exited', message: expect.stringMatching(/code 134 during the handshake$/) }],
    [126, 0, 3, { code: 'server-exited' }],
  ])(
    'is out of room by what the kernel has refused since it began (%s), beside %s others at its beginning and %s at its end',
    async (isMore, beside, atEnd, expected) => {
      const { engine } = localEngine({ sessions: atEnd === null ? 0 : atEnd });
      // Node ends so where it gets no thread, with nothing in the end of the log that says why.
      const aborts = { argv: ['sh', '-c', `echo 1 >&2; echo looms-begins 7 ${beside} >&2; exit 134`] };
      const asked: (readonly string[])[] = [];
      const exec: Engine['exec'] = (id, request) => {
        if (request.argv.length > 4) return engine.exec(id, aborts);
        asked.push(request.argv.slice(3));
        return engine.exec(id, { argv: ['sh', '-c', `exit ${isMore}`] });
      };
      const countSessions = () => Promise.reject(new Error('the engine is busy'));
      const faults = { exec, ...(atEnd === null ? { countSessions } : {}) };
      const refusing = new Proxy(engine, { get: (to, key) => Reflect.get(key in faults ? faults : to, key) });
      const failure = await failureOf(openSession(targetFor(refusing, argv()), { connectTimeoutMs: 1_500 }));
      expect(failure).toMatchObject(expected);
      expect(asked[0]).toEqual(['7']);
    },
  );

  it('says that a command was not found', async () => {
    const error = await failureOf(openSession(targetFor(localEngine().engine, ['no-such-command-here'])));
    expect(error.code).toBe('server-exited');
    expect(error.message).toMatch(/code 127 during the handshake \(its command was not found in the image\)/);
  });

  it('gives up a server that never answers, and leaves nothing of it', async () => {
    const mark = `MARK=${process.pid}-never`;
    const target = targetFor(localEngine().engine, argv('--never'), { env: { MARK: `${process.pid}-never` } });
    const error = await failureOf(openSession(target, { connectTimeoutMs: 400 }));
    expect(error.code).toBe('handshake-timeout');
    expect(error.hint).toMatch(/timeout_seconds/);
    expect(processesWith(mark)).toEqual([]);
  });

  it('holds an engine that begins nothing against no server', async () => {
    const { engine } = localEngine();
    const exec: typeof engine.exec = (_id, _request, { signal } = {}) =>
      new Promise((_, reject) => signal?.addEventListener('abort', () => reject(signal.reason)));
    const error = await failureOf(openSession(targetFor({ ...engine, exec }, argv()), { connectTimeoutMs: 100 }));
    expect(error).toMatchObject({
      code: 'engine-timeout',
      message: expect.stringMatching(/^the engine did not start a session/),
    });
  });

  it('shows what a server printed instead of messages', async () => {
    const error = await failureOf(
      openSession(targetFor(localEngine().engine, argv('--garbage')), { connectTimeoutMs: 3_000 }),
    );
    expect(error.code).toBe('handshake-timeout');
    expect(error.detail.slice(0, 2)).toEqual(['Welcome!', 'Listening on http://0.0.0.0:8000']);
  });

  it.each([
    ['--null-result', 'unit answered the call of read_file with something that is no result'],
    ['--text-result', 'unit answered the call of read_file with something that is no result'],
    ['--deep', 'unit answered the call of read_file with something nested too deep'],
  ])('ends a call at once whose answer cannot be taken (%s), and can go on', async (flag, message) => {
    const { session } = await open([flag], {}, { onLog: () => {} });
    const failure = await failureOf(session.callTool('read_file', {}, { timeoutMs: 60_000 }));
    expect(failure).toMatchObject({ code: 'session-failed', message });
    expect((await session.listTools()).tools).toHaveLength(4);
  });

  it('refuses a message of 20 MB with a clear error', async () => {
    const { session } = await open(['--huge']);
    const error = await failureOf(session.callTool('read_file', {}, call));
    expect(error.code).toBe('session-failed');
    expect(error.message).toBe('the server sent a message of more than 10485760 bytes');
  });

  it('reports the exit code of a server that dies in half a frame', async () => {
    const { session } = await open(['--half-frame']);
    const error = await failureOf(session.callTool('read_file', {}, call));
    expect(error.code).toBe('server-exited');
    expect(error.message).toBe('unit exited with code 9 during the call of read_file');
  });

  it('ends a call at its limit, tells the server, and can go on', async () => {
    const { session } = await open(['--slow']);
    const error = await failureOf(session.callTool('read_file', {}, { timeoutMs: 200 }));
    expect(error.code).toBe('call-timeout');
    expect(error.message).toBe('unit did not answer the call of read_file within 200ms');
    expect((await session.listTools()).tools).toHaveLength(4);
  });

  it('sends notifications/cancelled for a call at its limit', async () => {
    const lines: string[] = [];
    const local = localEngine();
    const exec = local.engine.exec.bind(local.engine);
    const engine = {
      ...local.engine,
      tailLog: local.engine.tailLog,
      async exec(...args: Parameters<typeof exec>) {
        const process = await exec(...args);
        process.stderr.on('data', (chunk) => lines.push(String(chunk)));
        return process;
      },
    };
    const session = await openSession(targetFor(engine, argv('--slow', '--record'), { hasShell: false }));
    sessions.push(session);
    await failureOf(session.callTool('read_file', {}, { timeoutMs: 100 }));
    await eventually(() => expect(lines.join('')).toMatch(/got notifications\/cancelled \{"requestId":2/));
  });

  it('stops a call when its caller does', async () => {
    const { session } = await open(['--slow']);
    const stop = new AbortController();
    const failing = failureOf(session.callTool('read_file', {}, { ...call, signal: stop.signal }));
    stop.abort();
    expect((await failing).code).toBe('interrupted');
  });

  it('reports a JSON-RPC error with code, message and data', async () => {
    const { session } = await open(['--rpc-error']);
    const error = await failureOf(session.callTool('read_file', {}, call));
    expect(error.code).toBe('json-rpc-error');
    expect(error.message).toBe('unit answered the call of read_file with JSON-RPC error -32603: database is away');
    expect(error.detail).toEqual(['{"host":"db"}']);
    expect(error.about).toEqual({ kind: 'json-rpc', answer: { code: -32603, data: { host: 'db' } } });
    expect(withHint(error, 'look').about).toEqual(error.about);
  });

  it('suggests the nearest tool and never calls it', async () => {
    const { session } = await open([]);
    const error = await failureOf(session.callTool('raed_file', {}, call));
    expect(error.code).toBe('tool-not-found');
    expect(error.hint).toBe('did you mean read_file?');
  });
});

describe('the filter of a spec', () => {
  const tools = { include: ['read_file', 'write_file', 'gone'], exclude: ['write_file'] };

  it('hides tools from the list and names those the server lacks', async () => {
    const { session } = await open([], { tools });
    const listed = await session.listTools();
    expect(listed.tools.map((tool) => tool.name)).toEqual(['read_file']);
    expect(listed.unknownFilterNames).toEqual(['gone']);
  });

  it('makes a hidden tool answer like one that does not exist', async () => {
    const { session } = await open([], { tools });
    const error = await failureOf(session.callTool('write_file', {}, call));
    expect(error.code).toBe('tool-not-found');
    expect(error.hint).toMatch(/mcp_server.tools/);
  });
});

describe('protocol eras', () => {
  const sdk = (name: string, ...flags: string[]) => [node, fixture(name), ...flags];
  const openWith = async (command: string[], protocol: 'legacy' | 'auto' | '2026-07-28') => {
    const local = localEngine();
    const session = await openSession(targetFor(local.engine, command, { mcp: { protocol } }));
    sessions.push(session);
    return { session, execs: local.execs };
  };
  const sum = async (session: Session) => (await session.callTool('add', { a: 2, b: 3 }, call)).content[0]?.text;

  it('speaks the older revisions with a server of the older SDK', async () => {
    const { session } = await openWith(sdk('sdk1-stdio.mjs'), 'legacy');
    expect([session.era, await sum(session)]).toEqual(['legacy', '5']);
  });

  it('falls back from auto to the older revisions in the same process', async () => {
    const { session, execs } = await openWith(sdk('sdk1-stdio.mjs'), 'auto');
    expect([session.era, await sum(session), execs.length]).toEqual(['legacy', '5', 1]);
  });

  it('finds the newer revision with auto', async () => {
    const { session } = await openWith(sdk('sdk2-stdio.mjs'), 'auto');
    expect([session.era, session.protocolVersion, await sum(session)]).toEqual(['modern', '2026-07-28', '5']);
  });

  it('speaks the older revisions with a server of the current SDK', async () => {
    const { session } = await openWith(sdk('sdk2-stdio.mjs'), 'legacy');
    expect([session.era, await sum(session)]).toEqual(['legacy', '5']);
  });

  it('speaks the newer revision when it is asked for', async () => {
    const { session } = await openWith(sdk('sdk2-stdio.mjs', '--modern-only'), '2026-07-28');
    expect([session.era, await sum(session)]).toEqual(['modern', '5']);
  });

  it('says so when a server does not speak the wanted revision', async () => {
    const error = await failureOf(openWith(sdk('sdk1-stdio.mjs'), '2026-07-28'));
    expect(error.code).toBe('session-failed');
    expect(error.hint).toMatch(/protocol to legacy or auto/);
  });

  it('starts a second process for a server that exits on the probe', async () => {
    const { session, execs } = await openWith(argv('--exit-on-unknown'), 'auto');
    expect(session.era).toBe('legacy');
    expect(serversIn(execs)).toHaveLength(2);
  });
});

describe('the gate', () => {
  const gate = (flags: string[], timeoutMs = 3_000) =>
    runGate(openSession, targetFor(localEngine().engine, argv(...flags)), { timeoutMs });

  it('passes a server that answers', async () => {
    const result = await gate([]);
    expect(result).toMatchObject({ passed: true, tools: 4, protocolVersion: '2025-06-18', unknownFilterNames: [] });
  });

  it('passes a server without tools on its handshake', async () => {
    expect(await gate(['--no-tools'])).toMatchObject({ passed: true, tools: 0 });
  });

  it('reports why a server failed', async () => {
    expect(await gate(['--exit-on-start'])).toMatchObject({ passed: false, failure: { code: 'server-exited' } });
    expect(await gate(['--never'], 300)).toMatchObject({ passed: false, failure: { code: 'handshake-timeout' } });
  });

  it('says that it was interrupted', async () => {
    const target = targetFor(localEngine().engine, argv('--never'));
    const result = await runGate(openSession, target, { timeoutMs: 3_000, signal: AbortSignal.abort() });
    expect(result).toMatchObject({ passed: false, failure: { code: 'interrupted' } });
  });
});

it('introduces itself with the version of the package', () => {
  const { version } = JSON.parse(readFileSync(new URL('../../../package.json', import.meta.url), 'utf8'));
  expect(clientInfo.version).toBe(version);
});
