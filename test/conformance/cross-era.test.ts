import { type ChildProcess, spawn } from 'node:child_process';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { asServerName } from '../../src/model/ids.ts';
import { eventually } from '../support/eventually.ts';
import { fixture } from '../unit/mcp/local-engine.ts';
import {
  type Backend,
  type LocalGateway,
  localGateway,
  localUpstreams,
  rawClient,
} from '../unit/serve/local-gateway.ts';
import { crossEraDifferences, rename, revisions, serverVerdicts } from './suite.ts';

// What each revision requires of a server, of the gateway in front of one that speaks the other era alone. There are no
// verdicts of anybody else's for that: cross-era.yaml says which may differ from those of the server by itself, and why.

const otherEra = { '2025-11-25': 'modern', '2026-07-28': 'legacy' } as const;

describe.each(revisions)('%s in front of a server of the other era', (revision) => {
  const era = otherEra[revision];
  const children: ChildProcess[] = [];
  let running: LocalGateway;
  let alone: readonly string[];
  const at: Record<string, string> = {};

  const overHttp = async (...args: string[]): Promise<number> => {
    const env = { ...process.env, PORT: '0' };
    const child = spawn(process.execPath, [fixture('everything.mjs'), ...args], {
      env,
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    children.push(child);
    let told = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      told += text;
    });
    return Number(await eventually(() => /^\d+/.exec(told)?.[0] ?? Promise.reject(new Error('no port yet'))));
  };

  beforeAll(async () => {
    const [own, port] = await Promise.all([overHttp(), overHttp(era)]);
    const servers = new Map<string, Backend>([
      ['everything', { argv: [process.execPath, fixture('everything.mjs'), era], mcp: { protocol: 'auto' } }],
      ['http', { argv: [], mcp: { protocol: 'auto', transport: { kind: 'streamable-http', port, path: '/mcp' } } }],
    ]);
    const upstreams = localUpstreams([], servers);
    running = await localGateway({ ...upstreams, servers: async () => [asServerName('everything')] });
    at['over stdio'] = `${running.url}/mcp/everything`;
    at['over HTTP'] = `${running.url}/mcp/http`;
    at['among all'] = `${running.url}/mcp`;
    alone = await serverVerdicts(`http://127.0.0.1:${own}/mcp`, revision);
  });
  afterAll(async () => {
    await running.gateway.close();
    for (const child of children) child.kill();
  });

  test.each(['over stdio', 'over HTTP', 'among all'])(
    '%s it gets the same verdicts but for those that cannot be',
    async (how) => {
      const url = at[how] ?? '';
      // The suite waits for 600 ms where it can do this and nothing else, which is a session, and a process, of its own.
      await rawClient('modern', () => url).ask('tools/list', '{}');
      const differences = crossEraDifferences(revision);
      const expected = alone.flatMap((verdict) => {
        const other = differences.find(({ check, alone: own }) => verdict === `${check} ${own}`);
        if (other === undefined) return [verdict];
        return other.behind === 'none' ? [] : [`${other.check} ${other.behind}`];
      });
      const look = () => serverVerdicts(url, revision, how === 'among all' ? rename : []);
      // A check that the suite gives up on in less time than a busy machine takes is made once more.
      const first = await look();
      expect(JSON.stringify(first) === JSON.stringify(expected) ? first : await look()).toEqual(expected);
      expect(differences.filter(({ check, alone: own }) => !alone.includes(`${check} ${own}`))).toEqual([]);
    },
  );
});
