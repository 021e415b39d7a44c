import { expect, test } from 'vitest';
import type { Told } from '../../../src/app/watch/told.ts';
import { watchEvent } from '../../../src/cli/render/watch-lines.ts';
import { asProjectName, asServerName } from '../../../src/model/ids.ts';

const server = asServerName('fs');
const failure = { code: 'refused', message: 'no', detail: [] } as const;

const told: readonly (readonly [level: string, told: Told])[] = [
  ['info', { type: 'in-sync', servers: 1 }],
  ['info', { type: 'changing', triggers: ['git'], changes: [] }],
  ['info', { type: 'changed', outcome: 'done', servers: [], failures: [], milliseconds: 1 }],
  ['error', { type: 'changed', outcome: 'partly', servers: [], failures: [], milliseconds: 1 }],
  ['error', { type: 'source-unusable', failure, keeps: 1 }],
  ['error', { type: 'refused', failure }],
  ['warn', { type: 'failing', server, failures: 1, failure, isDown: false }],
  ['error', { type: 'failing', server, failures: 3, failure, isDown: true }],
  ['info', { type: 'healthy', server, tools: 1 }],
  ['warn', { type: 'slow', server, milliseconds: 6_000 }],
  ['error', { type: 'alert', rule: 'drift', server, value: '1 field', state: 'firing' }],
  ['info', { type: 'alert', rule: 'drift', server, value: '', state: 'resolved' }],
  ['info', { type: 'left-alone', server, left: { why: 'rotation-turn' } }],
  ['warn', { type: 'left-alone', server, left: { why: 'waiting', repairs: 2, forMs: 4_000, after: 'it exited' } }],
  ['warn', { type: 'away', what: 'engine', failure }],
  ['info', { type: 'back', what: 'engine' }],
];

test.each(told)('each line of the log says how much it matters: %s', (level, one) => {
  const line = JSON.parse(watchEvent(one, '2026-01-01T00:00:00Z', asProjectName('team')));
  expect(line).toMatchObject({ time: '2026-01-01T00:00:00Z', level, project: 'team', type: one.type });
});
