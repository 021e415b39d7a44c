import { keyShapesIn } from '../model/secrets/credentials.ts';
import { mask } from './redact.ts';

/** Masks in a text what looms knows as secrets by now (`redact`), and what has the shape of a key of a well-known issuer. */
export const coverOf =
  (redact: (text: string) => string) =>
  (text: string): string =>
    redact(text).replaceAll(keyShapesIn, mask);
