import { describe, expect, it } from 'vitest';
import { type LogRequest, openLogs } from '../../../src/app/inspect/logs/read-logs.ts';
import type { Ports } from '../../../src/app/ports.ts';
import type { Engine, LocatedContainer, LogLine, LogQuery } from '../../../src/docker/port.ts';
import type { DockerDescription } from '../../../src/model/engine.ts';
import { LoomsError } from '../../../src/model/errors.ts';
import { asContainerId, asImageId, asProjectName, asServerName } from '../../../src/model/ids.ts';
import { portsOn } from '../../support/docker-ports.ts';

const project = asProjectName('p');

const container = (server: string, id: string, more: Partial<LocatedContainer> = {}): LocatedContainer => ({
  id: asContainerId(id),
  name: `looms-p-${server}`,
  role: 'server',
  server: asServerName(server),
  generation: 1,
  running: true,
  status: 'running',
  imageRef: 'example:1',
  imageId: asImageId('sha256:1'),
  hasShell: true,
  ...more,
});

const line = (time: number, text: string): LogLine => ({ time, stream: 'stdout', text });

/** An engine whose containers and logs a test changes while they are followed. */
class World {
  containers: LocatedContainer[] = [];
  readonly logs = new Map<string, LogLine[]>();
  readonly kept = new Map<{ readonly id: string }, LogLine[]>();
  readonly queries: { readonly id: string; readonly query: LogQuery }[] = [];
  /** Called each time the follower waits before it looks again. */
  onPause: () => void = () => undefined;

  write(id: string, ...lines: LogLine[]): void {
    this.logs.set(id, [...(this.logs.get(id) ?? []), ...lines]);
  }

  ports(): Ports {
    const { queries, logs, kept } = this;
    const engine: Partial<Engine> = {
      describe: async () => ({ id: 'E' }) as DockerDescription,
      locate: async () => this.containers,
      async *readLog(id, query) {
        queries.push({ id, query });
        const found = logs.get(id);
        if (found === undefined) throw new LoomsError('engine-not-found', 'gone');
        const { since } = query;
        const from = since !== undefined && 'at' in since ? since.at : 0;
        yield* found.filter(({ time }) => time >= from);
      },
    };
    const ports: Partial<Ports> = {
      keptLogs: {
        keptUntil: async () => 0,
        keep: async () => {},
        keepEvents: async () => {},
        keepAlertTurns: async () => {},
        alertTurns: async () => [],
        events: async () => [],
        containers: async () =>
          [...this.kept].map(([{ id }]) => ({
            container: asContainerId(id),
            server: asServerName('a'),
            generation: 1,
          })),
        lines: async function* (id) {
          yield* [...kept].find(([one]) => one.id === id)?.[1] ?? [];
        },
      },
      pause: async () => {
        await new Promise((resolve) => setImmediate(resolve));
        this.onPause();
      },
    };
    return portsOn(engine, ports);
  }
}

const request = { project, servers: [], streams: ['stdout', 'stderr'], follow: false } as const;
const never = new AbortController().signal;

/** Takes lines until `enough` of them came. */
async function take(world: World, enough: number, onLine: (text: string) => void = () => undefined): Promise<string[]> {
  const texts: string[] = [];
  const { lines } = await openLogs(world.ports(), { ...request, follow: true }, never);
  for await (const { server, text } of lines) {
    texts.push(`${server}: ${text}`);
    onLine(text);
    if (texts.length === enough) break;
  }
  return texts;
}

describe('logs of servers', () => {
  it('are searched in what was kept of containers that are gone, too, and those that are there are read from the engine', async () => {
    const world = new World();
    world.containers = [container('a', '2', { generation: 2 })];
    world.write('2', line(5, 'new error'), line(6, 'fine'));
    world.kept.set({ id: '1' }, [line(1, 'old error'), line(2, 'fine')]);
    world.kept.set({ id: '2' }, [line(5, 'new error')]);
    const found = async (more: Partial<LogRequest>): Promise<string[]> => {
      const texts: string[] = [];
      const { lines } = await openLogs(world.ports(), { ...request, ...more }, never);
      for await (const { generation, gone, text } of lines) texts.push(`${generation} ${gone ?? 'there'} ${text}`);
      return texts;
    };
    expect(await found({ gone: true, pattern: /error/ })).toEqual(['1 true old error', '2 there new error']);
    expect(await found({})).toEqual(['2 there new error', '2 there fine']);
    world.containers = [];
    expect(await found({ gone: true, servers: [asServerName('a')], tail: 5 })).toHaveLength(3);
    await expect(found({ servers: [asServerName('a')] })).rejects.toMatchObject({
      code: 'server-not-found',
      hint: expect.stringContaining('looms logs a --previous'),
    });
    await expect(found({ servers: [asServerName('b')] })).rejects.toMatchObject({
      hint: expect.not.stringContaining('--previous'),
    });
  });

  it('tell trace lines of loom from others', async () => {
    const world = new World();
    world.containers = [container('a', '1')];
    const span =
      '__LOOM_TRACE__:{"trace_id":"t","span_id":"s","name":"query","start_time":"2026-11-29T01:00:00Z","end_time":"2026-11-29T01:00:01Z","status":"ok"}';
    world.write('1', line(1, span), line(2, '__LOOM_TRACE__:no JSON'), line(3, 'words'));
    const found = async (more: Partial<LogRequest>): Promise<string[]> => {
      const texts: string[] = [];
      const { lines } = await openLogs(world.ports(), { ...request, ...more }, never);
      for await (const { text } of lines) texts.push(text);
      return texts;
    };
    expect(await found({ traces: 'only' })).toEqual([span]);
    expect(await found({ traces: 'hide' })).toEqual(['__LOOM_TRACE__:no JSON', 'words']);
    expect(await found({})).toHaveLength(3);
  });

  it('are merged by time, and those of one moment keep the order of the servers', async () => {
    const world = new World();
    world.containers = [container('a', '1'), container('b', '2', { status: 'stopped', running: false })];
    world.write('1', line(1, 'one'), line(3, 'three'), line(4, 'four'));
    world.write('2', line(2, 'two'), line(4, 'five'));
    const { lines, servers } = await openLogs(world.ports(), request, never);
    const texts: string[] = [];
    for await (const { text } of lines) texts.push(text);
    expect(texts).toEqual(['one', 'two', 'three', 'four', 'five']);
    expect(servers).toEqual(['a', 'b']);
  });

  it('are filtered by a pattern, and an unknown server is an error with the nearest name', async () => {
    const world = new World();
    world.containers = [container('notes', '1')];
    world.write('1', line(1, 'one'), line(2, 'two'));
    const { lines } = await openLogs(world.ports(), { ...request, pattern: /^t/ }, never);
    const texts: string[] = [];
    for await (const { text } of lines) texts.push(text);
    expect(texts).toEqual(['two']);
    const wrong = { ...request, servers: [asServerName('notse')] };
    await expect(openLogs(world.ports(), wrong, never)).rejects.toMatchObject({
      code: 'server-not-found',
      hint: expect.stringContaining('did you mean notes?'),
    });
  });

  it('of a container that runs again go on behind the last line, within one millisecond too', async () => {
    const world = new World();
    world.containers = [container('a', '1')];
    world.write('1', line(5, 'one'), line(5, 'two'));
    const texts = await take(world, 4, (text) => {
      if (text === 'two') world.onPause = () => world.write('1', line(5, 'three'), line(6, 'four'));
    });
    expect(texts).toEqual(['a: one', 'a: two', 'a: three', 'a: four']);
  });

  it('go on with the successor of a container that was replaced, from its first line', async () => {
    const world = new World();
    world.containers = [container('a', '1')];
    world.write('1', line(1, 'old'));
    world.onPause = () => {
      world.logs.delete('1');
      world.containers = [container('a', '2', { generation: 2 })];
      world.logs.set('2', [line(2, 'new'), line(3, 'newer')]);
    };
    expect(await take(world, 3)).toEqual(['a: old', 'a: new', 'a: newer']);
    expect(world.queries.at(-1)).toMatchObject({ id: '2', query: { follow: true } });
    expect(world.queries.at(-1)?.query).not.toHaveProperty('tail');
  });

  it('that are followed end when the signal aborts', async () => {
    const world = new World();
    world.containers = [container('a', '1')];
    world.write('1', line(1, 'one'));
    const stop = new AbortController();
    const { lines } = await openLogs(world.ports(), { ...request, follow: true }, stop.signal);
    const texts: string[] = [];
    for await (const { text } of lines) {
      texts.push(text);
      stop.abort();
    }
    expect(texts).toEqual(['one']);
  });
});
