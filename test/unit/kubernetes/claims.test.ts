import { describe, expect, it } from 'vitest';
import { readClaim, type Signed, seenText, signedText } from '../../../src/kubernetes/model/claims.ts';
import { writeSeen } from '../../../src/kubernetes/model/image-digest.ts';
import { annotation, label } from '../../../src/kubernetes/model/names.ts';
import type { RecordMaker } from '../../../src/model/records.ts';
import { sha256 } from '../../../src/model/values/sha256.ts';
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

describe('the digest of an image', () => {
  const [digest, another] = [`sha256:${'a'.repeat(64)}`, `sha256:${'b'.repeat(64)}`] as const;
  const record = recordSpec(fs.spec, fs.image.ref);
  const signed = { project, server: fs.spec.name, generation: 2, record };
  const sign = (of: Signed): string => `ours:${sha256(signedText(of))}`;
  const theirs = 'theirs:0';
  const makerOf = (text: string, signature: string): RecordMaker => {
    if (signature === '') return { kind: 'unsigned' };
    if (signature === theirs) return { kind: 'other-key' };
    return { kind: signature === `ours:${sha256(text)}` ? 'here' : 'forged' };
  };
  /** The digest that is read from these annotations, and what stands against their record. */
  const read = (signature: string, annotations: Readonly<Record<string, string>>) => {
    const labels = { [label.project]: project, [label.server]: 'fs' };
    const said = { [annotation.record]: record, [annotation.generation]: '2', ...annotations };
    const metadata = { name: 'looms-fs', labels, annotations: { ...said, [annotation.signature]: signature } };
    const claim = readClaim({ metadata }, project, { ...records, makerOf });
    return [claim?.image, claim?.foreignRecord?.maker.kind];
  };

  it('is what pods pull where it was signed here with the record, and counts for nothing else', () => {
    const pinned = { [annotation.image]: digest };
    const is = { kind: 'pinned', digest };
    expect(read(sign({ ...signed, digest }), pinned)).toEqual([is, undefined]);
    expect(read(theirs, pinned)).toEqual([undefined, 'other-key']);
    expect(read(sign({ ...signed, digest: another }), pinned)).toEqual([undefined, 'forged']);
    expect(read(sign(signed), pinned)).toEqual([undefined, 'forged']);
    expect(read('', pinned)).toEqual([undefined, 'unsigned']);
    expect(read(sign({ ...signed, digest: 'latest' }), { [annotation.image]: 'latest' })).toEqual([
      undefined,
      undefined,
    ]);
  });

  it('is what a pod was seen with where that was signed here, whoever made the record', () => {
    const seen = (signature: string) => ({ [annotation.imageSeen]: writeSeen(digest, signature) });
    const saw = (generation: number): string =>
      `ours:${sha256(seenText({ ...signed, generation, specHash: fs.hash, digest }))}`;
    const is = { kind: 'seen', digest };
    expect(read(sign(signed), seen(saw(2)))[0]).toEqual(is);
    expect(read(theirs, seen(saw(2)))[0]).toEqual(is);
    expect(read(theirs, seen(theirs))[0]).toBeUndefined();
    expect(read(sign(signed), seen(theirs))[0]).toBeUndefined();
    expect(read(sign(signed), seen(saw(3)))[0]).toBeUndefined();
    expect(read(sign(signed), { [annotation.imageSeen]: digest })[0]).toBeUndefined();
    // The record of a server that was scaled since says another number of pods.
    const scaled = recordSpec({ ...fs.spec, replicas: 3 }, fs.image.ref);
    const again = { ...seen(saw(2)), [annotation.record]: scaled };
    expect(read(sign({ ...signed, record: scaled }), again)).toEqual([is, undefined]);
    const changed = recordSpec(other.spec, other.image.ref);
    expect(
      read(sign({ ...signed, record: changed }), { ...seen(saw(2)), [annotation.record]: changed })[0],
    ).toBeUndefined();
  });
});
