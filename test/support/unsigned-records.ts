import type { RecordReader } from '../../src/docker/engine/listing/observed-container.ts';

/** For tests of an engine that care for no record: none is read, none is signed. */
export const unsignedRecords = (): RecordReader => ({
  read: () => undefined,
  sign: () => undefined,
  makerOf: () => ({ kind: 'unsigned' }),
});
