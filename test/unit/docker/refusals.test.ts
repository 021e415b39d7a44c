import { describe, expect, it } from 'vitest';
import { suggestList } from '../../../src/app/inspect/suggest-egress.ts';
import type { Engine } from '../../../src/docker/port.ts';
import { refusalsOf } from '../../../src/docker/views/refusals.ts';
import { refusedTimes } from '../../../src/model/container/egress.ts';
import type { ServerView } from '../../../src/model/server-view.ts';
import { server } from '../../support/planner-world.ts';

const view = (recorded: NonNullable<ServerView['recorded']>): ServerView =>
  ({ name: 'a', project: 'test', recorded }) as unknown as ServerView;

const engineWith = (lines: readonly string[]): Engine =>
  ({
    locate: async () => [
      { id: 'f1', role: 'forwarder', server: 'a' },
      { id: 'f2', role: 'forwarder', server: 'b' },
    ],
    tailLog: async (id: string) => (id === 'f1' ? lines.map((text) => ({ text })) : [{ text: 'refused name theirs' }]),
  }) as unknown as Engine;

const listing = (hosts: number) => ({
  image: 'example:1',
  spec: server('a', { network: { egress: Array(hosts).fill({ host: 'db', port: 5432, tls: false }) } }).spec,
});

const refusedIn = async (lines: readonly string[], recorded: NonNullable<ServerView['recorded']>) =>
  (await refusalsOf(engineWith(lines), view(recorded))).refusals;

describe('what a forwarder noted', () => {
  it('is told by what was tried, the most frequent first, and of this server only', async () => {
    const lines = [
      'refused name pypi.org',
      'refused name example.com',
      'refused name pypi.org',
      'connection to db:5432 ended -- at address, name in TLS -, address 10.0.0.1',
      'connection to db:5432 ended SC at address, name in TLS -, address 10.0.0.1',
      'connection to db:5432 ended PR at name, name in TLS -, address -',
      'connection to db:5432 ended PR at address, name in TLS -, address 127.0.0.1',
      'connection to api:443 ended PR at tls, name in TLS other.example, address -',
      'connection to api:443 ended PR at tls, name in TLS -, address -',
      'refused name od?d',
      'anything else',
    ];
    expect(await refusedIn(lines, listing(1))).toEqual([
      { what: 'pypi.org: not listed', entry: 'pypi.org:PORT', times: 2 },
      { what: 'api:443: TLS for other.example', entry: 'other.example:443', times: 1 },
      { what: 'api:443: no name in TLS', entry: null, times: 1 },
      { what: 'db:5432: it leads to 127.0.0.1', entry: null, times: 1 },
      { what: 'db:5432: no such name', entry: null, times: 1 },
      { what: 'db:5432: nobody answers at 10.0.0.1', entry: null, times: 1 },
      { what: 'example.com: not listed', entry: 'example.com:PORT', times: 1 },
      { what: 'od?d: not listed', entry: null, times: 1 },
    ]);
  });

  it('is told with how many lines were read, where the log has more', async () => {
    const lines = Array<string>(5_000).fill('refused name pypi.org');
    const some = await refusalsOf(engineWith(lines.slice(1)), view(listing(1)));
    expect(some).toEqual({ refusals: [{ what: 'pypi.org: not listed', entry: 'pypi.org:PORT', times: 4_999 }] });
    const found = await refusalsOf(engineWith(lines), view(listing(1)));
    expect(found).toMatchObject({ refusals: [{ times: 5_000 }], linesRead: 5_000 });
    const nothing = await refusalsOf(engineWith(lines.map(() => 'anything else')), view(listing(1)));
    expect(nothing).toEqual({ refusals: [], linesRead: 5_000 });
  });

  it('is shown with how many lines were read, where the log has more', () => {
    const found = [{ what: 'pypi.org: not listed', entry: 'pypi.org:PORT', times: 5_000, ofLast: 5_000 }];
    expect(found.map(refusedTimes)).toEqual(['5000 times in the last 5000 lines']);
    const { missing, yaml } = suggestList([], found);
    expect(missing).toEqual([{ entry: 'pypi.org:PORT', times: 5_000, ofLast: 5_000 }]);
    expect(yaml).toContain('# refused 5000 times in the last 5000 lines');
  });

  it('has a name in TLS that is none as the forwarder wrote it, and no entry for it', async () => {
    const lines = ['connection to api:443 ended PR at tls, name in TLS a%20b%0Ac, address -'];
    expect(await refusedIn(lines, listing(1))).toEqual([{ what: 'api:443: TLS for a%20b%0Ac', entry: null, times: 1 }]);
  });

  it('has the port as well where connections are noted', async () => {
    const lines = ['refused name a.example', 'refused connection a.example:443', 'refused connection 169.254.64.40:22'];
    const learning = { image: 'example:1', spec: server('a', { network: { egressLearn: true } }).spec };
    expect(await refusedIn(lines, learning)).toEqual([
      { what: 'a.example: not listed', entry: 'a.example:PORT', times: 1 },
      { what: 'a.example:443: not listed', entry: 'a.example:443', times: 1 },
      { what: 'port 22 of an address that no name was asked for', entry: null, times: 1 },
    ]);
  });

  it('is not looked for where a server has no list', async () => {
    expect(await refusedIn(['refused name x'], listing(0))).toEqual([]);
  });
});
