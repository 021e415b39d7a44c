import { afterEach, expect, test, vi } from 'vitest';
import { asContainerId, asServerName } from '../../../src/model/ids.ts';
import { followServing } from '../../../src/serve/leg/follow.ts';
import type { Upstreams } from '../../../src/serve/upstreams.ts';

const [fs, web] = [asServerName('fs'), asServerName('web')];
type Hear = Parameters<Upstreams['watch']>[0];

/** An engine that tells of changes when the test says so, and two conversations. */
function world(follow: (container: string) => boolean = () => true, onlookers?: string[]) {
  const asked: string[] = [];
  const gone = new Set<string>();
  const unknown = new Set<string>();
  const asleep = new Set<string>();
  let isThere = onlookers !== undefined;
  const led: string[] = [];
  const hears: Hear[] = [];
  const ends: (() => void)[] = [];
  const legs = [fs, web].map((server) => ({
    server,
    follow: async ({ container }: { readonly container: string }) => {
      led.push(`${server} to ${container}`);
      return follow(container);
    },
  }));
  const upstreams = {
    watch: (hear: Hear, signal: AbortSignal) =>
      new Promise<void>((resolve) => {
        hears.push(hear);
        ends.push(resolve);
        signal.addEventListener('abort', () => resolve());
      }),
    servers: async () => {
      if (unknown.size === 2) throw new Error('the engine is gone');
      return [fs, web];
    },
    serving: async (server: string) => {
      asked.push(server);
      if (unknown.has(server)) return 'unknown';
      if (asleep.has(server)) return 'asleep';
      return gone.has(server) ? 'nothing' : { container: asContainerId(`${server}2`) };
    },
  } as unknown as Upstreams;
  const { stop, onlookerCame } = followServing(
    upstreams,
    () => legs,
    () => {},
    { isThere: () => isThere, serverChanged: (server) => void onlookers?.push(server) },
  );
  const setThere = (now: boolean): void => {
    isThere = now;
    if (now) onlookerCame();
  };
  return { asked, led, gone, unknown, asleep, hears, ends, stop, setThere };
}

afterEach(() => vi.useRealTimers());

test('the engine is asked when it begins to tell, and then only about servers that it tells of', async () => {
  vi.useFakeTimers();
  const { asked, led, hears, stop } = world();
  await vi.advanceTimersByTimeAsync(50_000);
  expect(asked).toEqual([]);
  hears[0]?.onReady();
  await vi.advanceTimersByTimeAsync(0);
  expect(asked).toEqual(['fs', 'web']);
  hears[0]?.onChange(web);
  await vi.advanceTimersByTimeAsync(0);
  expect(asked).toEqual(['fs', 'web', 'web']);
  expect(led).toEqual(['fs to fs2', 'web to web2', 'web to web2']);
  hears[0]?.onChange(asServerName('nobody-talks-to-it'));
  await vi.advanceTimersByTimeAsync(0);
  expect(asked).toHaveLength(3);
  stop();
});

test('a stream of events that ends is asked for again, and everything is looked at then; else once a minute', async () => {
  vi.useFakeTimers();
  const { asked, hears, ends, stop } = world();
  ends[0]?.();
  await vi.advanceTimersByTimeAsync(1_000);
  expect(hears).toHaveLength(2);
  hears[1]?.onReady();
  await vi.advanceTimersByTimeAsync(0);
  expect(asked).toEqual(['fs', 'web']);
  await vi.advanceTimersByTimeAsync(60_000);
  expect(asked).toHaveLength(4);
  stop();
  await vi.advanceTimersByTimeAsync(300_000);
  expect(asked).toHaveLength(4);
});

test('one that could not be led is tried again a second later', async () => {
  vi.useFakeTimers();
  let tries = 0;
  const { led, hears, stop } = world(() => {
    tries += 1;
    return tries > 2;
  });
  hears[0]?.onChange(fs);
  await vi.advanceTimersByTimeAsync(10_000);
  expect(led).toEqual(['fs to fs2', 'fs to fs2', 'fs to fs2']);
  stop();
});

test('who sees all servers as one is told of each that comes or goes, and of none that another container serves', async () => {
  vi.useFakeTimers();
  const told: string[] = [];
  const { gone, hears, stop } = world(() => true, told);
  const news = asServerName('news');
  gone.add(news);
  await vi.advanceTimersByTimeAsync(1_000);
  const change = async (server: typeof fs): Promise<void> => {
    hears[0]?.onChange(server);
    await vi.advanceTimersByTimeAsync(1_000);
  };
  await change(web);
  await change(news);
  expect(told).toEqual([]);
  gone.delete(news);
  await change(news);
  gone.add(web);
  await change(web);
  await change(web);
  expect(told).toEqual([news, web]);
  gone.delete(web);
  await change(web);
  expect(told).toEqual([news, web, web]);
  stop();
});

test('what the engine does not say of a server is no news, nor is one that is back within a second', async () => {
  vi.useFakeTimers();
  const told: string[] = [];
  const { gone, unknown, hears, stop, setThere } = world(() => true, told);
  setThere(false);
  await vi.advanceTimersByTimeAsync(1_000);
  const change = async (server: typeof fs, ms: number): Promise<void> => {
    hears[0]?.onChange(server);
    await vi.advanceTimersByTimeAsync(ms);
  };
  // Gone right after somebody came to look.
  setThere(true);
  await vi.advanceTimersByTimeAsync(0);
  gone.add(web);
  await change(web, 1_000);
  expect(told.splice(0)).toEqual([web]);
  unknown.add(fs);
  await change(fs, 2_000);
  unknown.delete(fs);
  await change(fs, 2_000);
  gone.add(fs);
  await change(fs, 500);
  gone.delete(fs);
  await change(fs, 2_000);
  expect(told).toEqual([]);
  stop();
});

test('where the engine says nothing to who comes to look, it is asked again, and none counts as gone', async () => {
  vi.useFakeTimers();
  const told: string[] = [];
  const { unknown, gone, hears, stop, setThere } = world(() => true, told);
  setThere(false);
  await vi.advanceTimersByTimeAsync(1_000);
  unknown.add(fs).add(web);
  setThere(true);
  await vi.advanceTimersByTimeAsync(1_000);
  unknown.clear();
  await vi.advanceTimersByTimeAsync(1_000);
  hears[0]?.onReady();
  await vi.advanceTimersByTimeAsync(1_000);
  expect(told).toEqual([]);
  gone.add(web);
  hears[0]?.onChange(web);
  await vi.advanceTimersByTimeAsync(1_000);
  expect(told).toEqual([web]);
  stop();
});

test('a server that falls asleep or wakes has neither come nor gone, and nobody is led away from it', async () => {
  vi.useFakeTimers();
  const told: string[] = [];
  const { led, asleep, hears, stop } = world(() => true, told);
  await vi.advanceTimersByTimeAsync(0);
  asleep.add(fs);
  hears[0]?.onChange(fs);
  await vi.advanceTimersByTimeAsync(2_000);
  asleep.delete(fs);
  hears[0]?.onChange(fs);
  await vi.advanceTimersByTimeAsync(2_000);
  expect([told, led]).toEqual([[], ['fs to fs2']]);
  stop();
});
