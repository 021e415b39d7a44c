import { expect, it } from 'vitest';
import { readClaim } from '../../../src/kubernetes/model/claims.ts';
import { annotation, label } from '../../../src/kubernetes/model/names.ts';
import { readRecordedSpec, recordSpec, specHash } from '../../../src/spec/record/record.ts';
import { project, server } from '../../support/planner-world.ts';

const records = {
  read: readRecordedSpec,
  makerOf: () => ({ kind: 'here' }) as const,
  hash: ({ spec, image }: NonNullable<ReturnType<typeof readRecordedSpec>>) => specHash(spec, image),
};

const fs = server('fs', { mcp: { command: 'node', args: ['server.js'] } });
const other = server('fs', { mcp: { command: 'node', args: ['forged.js'] } });

const claimOf = (record: string, hash: string) =>
  readClaim(
    {
      metadata: {
        name: 'looms-fs',
        labels: { [label.project]: project, [label.server]: 'fs' },
        annotations: { [annotation.record]: record, [annotation.specHash]: hash },
      },
    },
    project,
    records,
  );

it('has the hash of its record, whatever hash stands beside that', () => {
  const hash = specHash(fs.spec, fs.image.ref);
  expect(claimOf(recordSpec(fs.spec, fs.image.ref), hash)?.specHash).toBe(hash);
  expect(claimOf(recordSpec(other.spec, other.image.ref), hash)?.specHash).toBe(specHash(other.spec, other.image.ref));
});

it('has no hash where its record cannot be read', () => {
  expect(claimOf('{', 'abc')?.specHash).toBe('');
});
