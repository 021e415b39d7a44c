import {
  type DeclaredServer,
  type DesiredServer,
  hashedOf,
  isSpec,
  type RecordedSpec,
  serverFields,
} from '../../model/desired.ts';
import { onlyLater, withLater, withoutLater } from '../../model/fields.ts';
import { parseSource } from '../../model/source.ts';
import { canonicalJson } from '../../model/values/canonical-json.ts';
import { isRecord } from '../../model/values/is-record.ts';
import { parsedJson } from '../../model/values/parsed-json.ts';
import { sha256 } from '../../model/values/sha256.ts';
import {
  type Check,
  list,
  number,
  object,
  oneOf,
  optional,
  record,
  tagged,
  text,
} from '../../model/values/structure.ts';

const laterFields = onlyLater(serverFields);

/**
 * `v1:<sha256 hex>` of a spec and of its image's reference. What replaces nothing is left out
 * (`hashedOf`). The version changes with the meaning of the text that is hashed, never silently: Compose
 * recreated everything on upgrades of which two hashed one spec differently.
 */
export function specHash(spec: DesiredServer, imageRef: string): string {
  const content = canonicalJson({ image: imageRef, spec: withoutLater(laterFields, hashedOf(spec)) });
  return `v1:${sha256(content)}`;
}

/** Text of the label that says what a container was made from: canonical JSON, secrets as references. */
export const recordSpec = (spec: DesiredServer, image: string): string =>
  canonicalJson({ image, spec: withoutLater(laterFields, spec) });

const isRecorded: Check<RecordedSpec> = object({ spec: isSpec, image: text });

/** Reads a label that `recordSpec` wrote, in any version. Undefined for other text: anyone can write a label. */
export function readRecordedSpec(content: string): RecordedSpec | undefined {
  const value = parsedJson(content);
  const recorded = isRecord(value) ? { ...value, spec: withLater(laterFields, value.spec) } : value;
  return isRecorded(recorded) ? recorded : undefined;
}

/**
 * A server as a record has it, to be planned without its file. How its image is built is not recorded.
 *
 * @param from `hash` as it was recorded, else it is worked out; `source` is text as `parseSource` reads it, found in `directory`
 */
export const serverOfRecord = (
  { spec, image: ref }: RecordedSpec,
  { hash, source, directory }: { readonly hash?: string; readonly source: string; readonly directory: string },
): DeclaredServer => ({
  spec,
  image: spec.image.kind === 'image' ? { kind: 'pulled', ref } : { kind: 'built', ref, base: undefined },
  hash: hash ?? specHash(spec, ref),
  source: parseSource(source, directory),
});

/** Whether a value read from a file is a server as `DeclaredServer` has it. */
export const isDeclaredServer = object({
  spec: isSpec,
  image: tagged('kind', { pulled: { ref: text }, built: { ref: text, base: optional(text) } }),
  hash: text,
  source: object({ file: text, line: number, directory: text, commit: optional(text), commitBy: optional(text) }),
  place: optional(
    object({
      engines: optional(list(text)),
      labels: record(text),
      prefer: oneOf('spread', 'cost'),
      onLost: oneOf('wait', 'move'),
    }),
  ),
}) as Check<unknown> as Check<DeclaredServer>;
