import type { Source } from '../../../src/model/desired.ts';
import { asContainerId, asProjectName, asServerName, asStepId } from '../../../src/model/ids.ts';
import type { Change, Plan } from '../../../src/model/plan.ts';

const server = asServerName;
const container = asContainerId('0123456789abcdef0123');

const changes: readonly Change[] = [
  { server: server('alpha'), action: 'create', reasons: [{ kind: 'missing' }] },
  {
    server: server('beta'),
    container,
    action: 'replace',
    order: 'start-first',
    reasons: [
      { kind: 'spec-changed', fields: [{ path: 'docker_backend.resource_limits.memory_mb', from: '512', to: '1024' }] },
      {
        kind: 'live-drift',
        fields: [{ path: 'docker_backend.resource_limits.memory_mb', from: '256 MiB', to: '512 MiB' }],
      },
    ],
  },
  {
    server: server('gamma'),
    container,
    action: 'replace',
    order: 'stop-first',
    why: 'host port 8080 cannot be held twice',
    reasons: [{ kind: 'spec-changed', fields: [{ path: 'mcp_server.env.TOKEN', from: '', to: '(secret)' }] }],
  },
  {
    server: server('delta'),
    container,
    action: 'start',
    reasons: [{ kind: 'exited', exitCode: 137, outOfMemory: false }],
  },
  { server: server('old'), container, action: 'remove', reasons: [{ kind: 'not-in-spec' }] },
  {
    server: server('taken'),
    action: 'blocked',
    why: {
      kind: 'name-taken',
      name: 'looms-team-taken',
      id: container,
      image: 'nginx:1',
      owner: 'someone',
      hint: '`docker rename looms-team-taken other`, or remove it, then apply again',
    },
  },
  { server: server('zeta'), container, action: 'unchanged' },
];

const base = {
  schemaVersion: 1,
  project: asProjectName('team'),
  engine: {
    id: 'E',
    name: 'host',
    kind: 'docker',
    version: '20.10',
    apiVersion: '1.41',
    endpoint: 'unix:///var/run/docker.sock (default socket)',
  },
  basis: 'b',
  support: [],
  steps: [],
  drift: [],
  rotations: [],
  warnings: [],
  images: [],
} as const;

/** A plan with one change of every kind. */
export const everyChange: Plan = {
  ...base,
  changes,
  support: [{ kind: 'network', name: 'looms-team', action: 'create', reasons: [{ kind: 'missing' }] }],
  steps: [
    {
      id: asStepId('delta/start'),
      server: server('delta'),
      cause: { kind: 'change', server: server('delta') },
      after: [],
      op: 'start-container',
      text: 'start looms-team-delta',
    },
  ],
  drift: [
    {
      server: server('beta'),
      container,
      fields: [{ path: 'docker_backend.resource_limits.memory_mb', from: '256 MiB', to: '512 MiB' }],
    },
  ],
  warnings: [{ code: 'policy-forbid-latest', server: server('alpha'), message: 'the image is :latest' }],
};

export const inSync: Plan = { ...base, changes: [{ server: server('zeta'), container, action: 'unchanged' }] };

const hostileDrift = [{ path: 'labels.x', from: '<b>|`&"\u001b[31m', to: 'two\nlines ::error:: %0A' }] as const;

/** A plan whose words hold everything that a document format could trip over. */
export const hostile: Plan = {
  ...base,
  changes: [
    {
      server: server('alpha'),
      container,
      action: 'replace',
      order: 'start-first',
      reasons: [{ kind: 'live-drift', fields: hostileDrift }],
    },
  ],
  drift: [{ server: server('alpha'), container, fields: hostileDrift }],
  steps: everyChange.steps,
};

const source: Source = { file: 'specs/all, of:them.yaml', line: 7, directory: '/repo/specs' };
export const sources: ReadonlyMap<string, Source> = new Map([['alpha', source]]);
