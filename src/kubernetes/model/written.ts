import type { RecordMaker } from '../../model/records.ts';
import { canonicalJson } from '../../model/values/canonical-json.ts';

/** What a looms wrote, by a print of it, and which version did (`looms/<version>`). */
export type Written = { readonly by: string; readonly print: string };

/** What a note is about; one of something else has another signature. */
type About = readonly (string | number)[];

const signedText = (about: About, { by, print }: Written): string =>
  canonicalJson(['kubernetes written', ...about, by, print]);

/** The annotation that keeps what was written; undefined where nothing can be signed. */
export function signWritten(
  about: About,
  written: Written,
  { sign }: { readonly sign: (text: string) => string | undefined },
): string | undefined {
  const signature = sign(signedText(about, written));
  return signature && `${written.by} ${written.print} ${signature}`;
}

/** Reads that; undefined where the key used here did not sign it, as anybody can write an annotation. */
export function knownWritten(
  text: string | undefined,
  about: About,
  { makerOf }: { readonly makerOf: (text: string, signature: string) => RecordMaker },
): Written | undefined {
  const [by = '', print = '', signature = ''] = (text ?? '').split(' ');
  const written = { by, print };
  return signature !== '' && makerOf(signedText(about, written), signature).kind === 'here' ? written : undefined;
}

/** Whether one version of looms is newer than another: of two that differ each says the same. */
export const isNewer = (by: string, than: string): boolean => by.localeCompare(than, 'en', { numeric: true }) > 0;
