import { describe, expect, test } from 'vitest';
import { suggestEgress, suggestList } from '../../../src/app/inspect/suggest-egress.ts';
import type { Ports } from '../../../src/app/ports.ts';
import type { EgressTarget } from '../../../src/model/desired.ts';
import { asServerName } from '../../../src/model/ids.ts';
import { project, server } from '../../support/planner-world.ts';

const targets: readonly EgressTarget[] = [
  { host: '*.wild.example', port: 443, tls: true },
  { host: 'db.example.com', port: 5432, tls: false },
  { host: 'vantage', port: 1025, tls: false, address: '10.1.2.3' },
];

describe('a list for a server that was refused something', () => {
  test('has what is listed, then what was tried, and what no entry helps against as comments', () => {
    const { yaml, missing } = suggestList(targets, [
      { what: 'pypi.org: not listed', entry: 'pypi.org:PORT', times: 4 },
      { what: 'api.example: not listed', entry: 'api.example:PORT', times: 3 },
      { what: 'a.wild.example:443: TLS for api.example', entry: 'api.example:443', times: 2 },
      { what: 'b.wild.example:443: TLS for api.example', entry: 'api.example:443', times: 1 },
      { what: 'db.example.com:5432: nobody answers at 10.0.0.1', entry: null, times: 1 },
    ]);
    expect(yaml).toBe(`docker_backend:
  network:
    egress:
      - "*.wild.example:443"
      - "db.example.com:5432"
      - {"host":"vantage","port":1025,"address":"10.1.2.3"}
      - "pypi.org:PORT" # refused 4 times
      - "api.example:443" # refused 3 times
      # db.example.com:5432: nobody answers at 10.0.0.1, 1 time`);
    expect(missing).toEqual([
      { entry: 'pypi.org:PORT', times: 4 },
      { entry: 'api.example:443', times: 3 },
    ]);
  });

  test('leaves out what was listed since', () => {
    const since = ['db.example.com:PORT', 'x.wild.example:PORT', 'x.wild.example:443', 'vantage:PORT'];
    expect(
      suggestList(
        targets,
        since.map((entry) => ({ what: '', entry, times: 1 })),
      ).missing,
    ).toEqual([]);
    const other = { what: '', entry: 'x.wild.example:8443', times: 1 };
    expect(suggestList(targets, [other]).missing).toEqual([{ entry: 'x.wild.example:8443', times: 1 }]);
  });

  test('is empty where nothing is listed and nothing was noted', () => {
    expect(suggestList([], []).yaml).toBe('docker_backend:\n  network:\n    egress: []');
  });

  test('tells what no entry helps against where there is no entry at all', () => {
    const masked = { what: '(secret).example.com: not listed', entry: null, times: 2 };
    expect(suggestList([], [masked]).yaml).toBe(
      'docker_backend:\n  network:\n    egress: []\n      # (secret).example.com: not listed, 2 times',
    );
  });
});

test('where the lines that are read hold no refusal, it is said of them alone', async () => {
  const name = asServerName('a');
  const { spec } = server(name, { network: { mode: 'isolated', egress: targets } });
  const view = { name, project, recorded: { spec, image: 'example:1' }, confinement: { forwarder: { since: 0 } } };
  const noticesOf = async (refused: object): Promise<string> => {
    const ports = {
      mask: (text: string) => text,
      orchestrator: async () => ({
        servers: async () => ({ servers: [view], engine: { id: 'e' }, notices: [], now: 0 }),
        refusals: async () => refused,
      }),
    } as unknown as Ports;
    return (await suggestEgress(ports, { project, name })).notices.join('\n');
  };
  expect(await noticesOf({ refusals: [], linesRead: 5_000 })).toContain(
    'nothing was refused in the last 5000 lines that the forwarder of a wrote',
  );
  expect(await noticesOf({ refusals: [] })).toContain('nothing was refused since 1970-01-01');
});

test('on a cluster, where nothing is noted, that is said instead of an empty list', async () => {
  const ports = {
    orchestrator: async () => ({
      servers: async () => ({
        servers: [{ name: asServerName('a') }],
        engine: { kind: 'kubernetes' },
        notices: [],
        now: 0,
      }),
    }),
  } as unknown as Ports;
  await expect(suggestEgress(ports, { project, name: asServerName('a') })).rejects.toMatchObject({
    code: 'engine-unsupported',
    hint: expect.stringContaining('--context docker:NAME'),
  });
});
