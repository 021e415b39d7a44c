import { afterEach, expect, test, vi } from 'vitest';
import { LoomsError } from '../../../src/model/errors.ts';
import { asServerName } from '../../../src/model/ids.ts';
import { createCatalogue } from '../../../src/serve/catalogue.ts';
import type { ListMethod } from '../../../src/serve/messages/protocol.ts';

/** What each server lists, of resources and of templates; `asked` are told of which of them was asked for what. */
const catalogueOf = (
  all: Readonly<Record<string, { readonly uris?: readonly string[]; readonly templates?: readonly string[] }>>,
) => {
  const asked: string[] = [];
  const catalogue = createCatalogue<readonly string[]>({
    servers: async () => {
      asked.push('servers');
      return Object.keys(all).map(asServerName);
    },
    whose: (reached) => reached.join(),
    reaches: (server, reached) => reached.includes(server),
    list: async (server, method: ListMethod) => {
      asked.push(`${server} ${method}`);
      const { uris = [], templates = [] } = all[server] ?? {};
      if (method === 'resources/list') return uris.map((uri) => ({ uri, name: uri }));
      return templates.map((uriTemplate) => ({ uriTemplate, name: uriTemplate }));
    },
    log: () => {},
    names: { separator: '__', maxName: 45 },
  });
  const homeOf = async (uri: string, reached = Object.keys(all)): Promise<string | undefined> => {
    const read = { jsonrpc: '2.0', id: 1, method: 'resources/read', params: { uri } } as const;
    const routed = await catalogue.route(read, reached);
    return routed !== undefined && 'server' in routed ? routed.server : undefined;
  };
  return { homeOf, homesOf: (uris: readonly string[]) => catalogue.homesOf(uris, Object.keys(all)), asked };
};

/** A catalogue of one server whose list ends as `list` does, what it logs, and how often it tells of a late one. */
const listingOf = (list: () => Promise<readonly []>) => {
  const logged: string[] = [];
  const told = vi.fn();
  const catalogue = createCatalogue<undefined>({
    servers: async () => [asServerName('time')],
    whose: () => 'me',
    reaches: () => true,
    list,
    log: (text) => logged.push(text),
    names: { separator: '__', maxName: 45 },
  });
  return { logged, told, listed: catalogue.listAll('tools/list', undefined, told) };
};

afterEach(() => {
  vi.useRealTimers();
});

test('a server that does not answer in time is left out for that reason, and told of when it comes', async () => {
  vi.useFakeTimers();
  const slow = Promise.withResolvers<readonly []>();
  const { logged, told, listed } = listingOf(() => slow.promise);
  await vi.advanceTimersByTimeAsync(4_999);
  expect(logged).toEqual([]);
  await vi.advanceTimersByTimeAsync(1);
  expect(await listed).toEqual([]);
  expect(logged).toEqual(['time is left out of tools/list: it did not answer within 5 s']);
  slow.resolve([]);
  await vi.advanceTimersByTimeAsync(0);
  expect(told).toHaveBeenCalledTimes(1);
});

test('the end of the session that asked is no reason of a server', async () => {
  vi.useFakeTimers();
  const slow = Promise.withResolvers<readonly []>();
  const { logged, told, listed } = listingOf(() => slow.promise);
  await vi.advanceTimersByTimeAsync(5_000);
  await listed;
  slow.reject(new LoomsError('interrupted', 'the session with time is over; what was asked may have been done'));
  await vi.advanceTimersByTimeAsync(0);
  expect(logged).toEqual(['time is left out of tools/list: it did not answer within 5 s']);
  expect(told).not.toHaveBeenCalled();
});

test('a server that fails is left out with what it fails with', async () => {
  const { logged, listed } = listingOf(() => Promise.reject(new LoomsError('server-exited', 'time ended')));
  expect(await listed).toEqual([]);
  expect(logged).toEqual(['time is left out of tools/list: time ended']);
});

test('a URI goes to who listed it, else to the template that says most of it from its beginning on', async () => {
  const { homeOf } = catalogueOf({
    any: { templates: ['{+uri}'] },
    docs: { uris: ['docs://index'], templates: ['docs://{+path}'] },
    old: { templates: ['docs://old/{name}.md', 'docs://old/{name}.txt'] },
    index: { uris: ['docs://old/1.md'] },
  });
  expect(await homeOf('docs://index')).toBe('docs');
  expect(await homeOf('docs://new/1.md')).toBe('docs');
  expect(await homeOf('docs://old/2.md')).toBe('old');
  expect(await homeOf('docs://old/2.pdf')).toBe('docs');
  expect(await homeOf('docs://old/1.md')).toBe('index');
  expect(await homeOf('docs://old/{name}.md')).toBe('old');
  expect(await homeOf('mail:1')).toBe('any');
});

test('a template of a server that is not reached is none, and an empty one is no pattern', async () => {
  const { homeOf } = catalogueOf({
    a: { templates: ['x://{name}'] },
    b: { templates: ['x:/'] },
    c: { templates: [''] },
  });
  expect(await homeOf('x://1', ['b', 'c'])).toBeUndefined();
  expect(await homeOf('x:/', ['b', 'c'])).toBe('b');
  expect(await homeOf('x://1')).toBe('a');
});

test('what fits a known template is not looked up again; what fits only one that begins with a variable is', async () => {
  const { homeOf, asked } = catalogueOf({ a: { templates: ['x://{name}'] }, b: { templates: ['{name}'] } });
  await homeOf('x://1');
  asked.splice(0);
  expect(await homeOf('x://2')).toBe('a');
  expect(asked).toEqual([]);
  expect(await homeOf('y://2')).toBe('b');
  expect(asked).not.toEqual([]);
});

test('however many URIs are unknown, the lists are asked for once', async () => {
  const { homesOf, asked } = catalogueOf({ a: { uris: ['x:1'] }, b: { templates: ['y://{name}'] } });
  const unknown = Array.from({ length: 100 }, (_, at) => `z:${at}`);
  expect([...(await homesOf(['x:1', 'y://1', ...unknown]))]).toEqual([
    ['x:1', 'a'],
    ['y://1', 'b'],
  ]);
  const once = ['resources/list', 'resources/templates/list'];
  const each = ['a', 'b'].flatMap((server) => once.map((method) => `${server} ${method}`));
  expect(asked.splice(0).sort()).toEqual([...each, 'servers', 'servers']);
  await homesOf(['x:1', 'y://1']);
  expect(asked).toEqual([]);
});

test('what somebody is shown does not change whose a URI is for others', async () => {
  const catalogue = createCatalogue<'narrow' | 'all'>({
    servers: async () => ['a', 'b'].map(asServerName),
    whose: (who) => who,
    reaches: () => true,
    list: async (server, method, who) => {
      if (method !== 'resources/list') return [];
      const uris = who === 'narrow' && server === 'a' ? ['x:other'] : ['x:1', 'x:other'];
      return uris.map((uri) => ({ uri, name: uri }));
    },
    log: () => {},
    names: { separator: '__', maxName: 45 },
  });
  const read = { jsonrpc: '2.0', id: 1, method: 'resources/read', params: { uri: 'x:1' } } as const;
  expect(await catalogue.route(read, 'all')).toMatchObject({ server: 'a' });
  await catalogue.listAll('resources/list', 'narrow', () => {});
  expect(await catalogue.route(read, 'all')).toMatchObject({ server: 'a' });
  expect(await catalogue.route(read, 'narrow')).toMatchObject({ server: 'b' });
});

test("what a server listed that is no more is nobody's, and hides nothing of those that are there", async () => {
  const all: Record<string, { readonly uris: readonly string[] }> = {
    a: { uris: ['x:1'] },
    b: { uris: ['x:1', 'x:2'] },
  };
  const { homeOf } = catalogueOf(all);
  const everybody = ['a', 'b'];
  expect(await homeOf('x:1', everybody)).toBe('a');
  delete all.a;
  // Looked up anew, as nobody is known to have it.
  expect(await homeOf('y:1', everybody)).toBe('b');
  expect(await homeOf('x:1', everybody)).toBe('b');
});
