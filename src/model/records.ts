import type { DesiredServer, RecordedSpec } from './desired.ts';

/**
 * Who made a record, as far as its signature tells: `here`: this machine, or whoever shares its key; `other-key`: it says
 * that another key signed it, which cannot be checked here, `key` being that one's name where it gives one; `forged`: it
 * says that the key used here signed it, or is no signature at all.
 */
export type RecordMaker =
  | { readonly kind: 'here' }
  | { readonly kind: 'unsigned' }
  | { readonly kind: 'other-key'; readonly key?: string }
  | { readonly kind: 'forged' };

/** What is known of a record that this machine did not sign. */
export type ForeignRecord = {
  /** Of exactly this record: what a person can accept. */
  readonly digest: string;
  readonly maker: Exclude<RecordMaker, { readonly kind: 'here' }>;
  /** Of the image that the container was really made of. */
  readonly imageId: string;
  /** The file that it says it comes from; nothing vouches for that. */
  readonly source?: string;
};

/** A record that this machine did not make, as far as trusting it goes. */
export type UntrustedRecord = {
  readonly spec: DesiredServer;
  readonly image: string;
  readonly foreign: ForeignRecord;
  /** Which one it is, for people: `container looms-p-fs`, `generation 2 of fs`. */
  readonly name: string;
};

/** The record of a container, or of a past generation, where this machine did not make it. */
export const untrustedRecord = (
  name: string,
  { recorded, foreignRecord }: { readonly recorded?: RecordedSpec; readonly foreignRecord?: ForeignRecord },
): UntrustedRecord | undefined =>
  recorded === undefined || foreignRecord === undefined ? undefined : { name, foreign: foreignRecord, ...recorded };
