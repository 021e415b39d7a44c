import { checkArguments } from '../../src/app/page/check-arguments.ts';
import { LoomsError } from '../../src/model/errors.ts';
import { asContainerId, asProjectName, asServerName, type ServerName } from '../../src/model/ids.ts';
import type { PageLogLine } from '../../src/model/page/past.ts';
import type { PageSample } from '../../src/model/page/state.ts';
import type { LifecycleEvent } from '../../src/model/trail/lifecycle-events.ts';
import type { PageLook, PageSource } from '../../src/serve/page/source.ts';

const moment = '2026-11-29T06:00:00.000Z';

const serverOf = (name: string): PageLook['servers'][number] => ({
  name: asServerName(name),
  description: null,
  state: 'running',
  health: { state: 'healthy', detail: '', checkedAt: moment },
  generation: 1,
  image: 'node:24-slim',
  transport: 'stdio',
  createdAt: moment,
  restarts: 0,
  source: null,
  drift: { kind: 'known', action: 'unchanged', fields: 0, text: '' },
  limits: { cpuCores: 1, memoryBytes: 128 * 1024 * 1024, processes: 64 },
  sessions: 0,
  callsPerMinute: 0,
  use: null,
});

export const pageEvent = (id: string, server: string): LifecycleEvent => ({
  v: 1,
  id,
  ts: moment,
  source: 'engine',
  type: 'started',
  generation: 1,
  container: asContainerId('c1'),
  containerName: `looms-p-${server}`,
  project: asProjectName('p'),
  server: asServerName(server),
});

/** What a page shows and does, made up: servers `legacy` and `modern`; what was done is in `done`. */
export function madeUpSource(secret = 'hunter2-hunter2') {
  const done: string[] = [];
  const hears = new Set<Parameters<PageSource['watch']>[0]>();
  const samples: PageSample[] = [];
  let look: PageLook = {
    v: 1,
    version: '1',
    project: asProjectName('p'),
    engine: { name: 'e', kind: 'docker', version: '28', failure: null },
    source: { kind: 'files', commits: [], commitBy: null, readAt: moment },
    alerts: [],
    servers: ['legacy', 'modern'].map(serverOf),
    plan: {
      kind: 'known',
      digest: 'abc',
      inSync: false,
      totals: '1 to start',
      text: 'plan',
      waits: [],
      running: false,
    },
    tools: [],
  };
  const lines: (PageLogLine | 'live')[] = [];
  const source: PageSource = {
    look: async () => look,
    samples: () => samples,
    watch: (hear, signal) =>
      new Promise((resolve) => {
        hears.add(hear);
        signal.addEventListener('abort', () => {
          hears.delete(hear);
          resolve();
        });
      }),
    detail: async (name) => {
      if (!look.servers.some((one) => one.name === name))
        throw new LoomsError('server-not-found', `no ${name}`, { hint: 'project p has legacy, modern' });
      return {
        name,
        probe: [],
        health: { state: 'healthy', detail: '', checkedAt: null },
        diff: { kind: 'unknown', why: 'no files' },
        history: [],
        container: {
          id: asContainerId('c'.repeat(64)),
          name: `looms-p-${name}`,
          imageId: 'sha256:1',
          user: '1000',
          command: [`--password=${secret}`],
          startedAt: moment,
          exitCode: null,
          networks: [],
          egress: [],
          secrets: [],
          rotatesAt: null,
          callsLeft: null,
          executionTimeoutSeconds: 300,
          maxExecutions: null,
        },
        spec: null,
      };
    },
    async *log({ servers }, signal) {
      yield* lines.filter((line) => line === 'live' || servers.length === 0 || servers.includes(line.server));
      await new Promise((resolve) => signal.addEventListener('abort', resolve));
    },
    checkArguments,
    audit: async (servers, limit) => {
      done.push(`audit ${servers?.join(' ') ?? 'all'} ${limit}`);
      return { calls: [], changes: [] };
    },
    act: async ({ deed, server }, principal) => {
      done.push(`${principal} ${deed} ${server}`);
      return { outcome: 'done', servers: [], notices: [] };
    },
    approve: async (digest, principal) => {
      if (digest !== 'abc') throw new LoomsError('plan-stale', 'another plan waits by now');
      done.push(`${principal} approve ${digest}`);
      return { outcome: 'done', servers: [], notices: [] };
    },
    mask: (text) => text.replaceAll(secret, '(secret)'),
  };
  return {
    source,
    done,
    lines,
    /** Whether anybody looks. */
    isWatched: () => hears.size > 0,
    tell(event: LifecycleEvent) {
      for (const hear of hears) hear.onEvent(event);
    },
    measure(at: string) {
      const one = (name: ServerName) =>
        ({ name, cpuCores: 0.5, memoryBytes: 1, processes: 1, sessions: 0, callsPerMinute: 0 }) as const;
      const sample = { at, servers: look.servers.map(({ name }) => one(name)) };
      samples.push(sample);
      for (const hear of hears) hear.onSample(sample);
    },
    change(more: Partial<PageLook>) {
      look = { ...look, ...more };
      for (const hear of hears) hear.onChange();
    },
  };
}
