import { readdirSync, readFileSync } from 'node:fs';
import { parse } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { InspectedContainer } from '../../src/docker/engine/containers/inspected.ts';

const folder = fileURLToPath(new URL('../fixtures/records/', import.meta.url));

/** A container as an earlier version of looms made it, without the signature of that machine. */
export type EarlierContainer = {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  /** What was set of `Config`, `HostConfig` and the networks of its inspect answer. */
  readonly config: InspectedContainer['Config'];
  readonly hostConfig: InspectedContainer['HostConfig'];
  readonly networks: Readonly<Record<string, { readonly Aliases: readonly string[] }>>;
};

/** What a version made of all files in `examples/`, and three generations more of one of them. */
export type EarlierVersion = {
  readonly version: string;
  readonly project: string;
  /** The files of `examples/` as they were, by name. */
  readonly specs: readonly { readonly file: string; readonly text: string }[];
  /** Where they were. */
  readonly directory: string;
  readonly images: Readonly<
    Record<
      string,
      {
        readonly Env: readonly string[];
        readonly Entrypoint?: readonly string[];
        readonly Cmd?: readonly string[];
        readonly WorkingDir?: string;
      }
    >
  >;
  readonly containers: readonly EarlierContainer[];
};

export const earlierVersions: readonly EarlierVersion[] = readdirSync(folder)
  .filter((name) => name.endsWith('.json'))
  .map((name) => ({
    ...JSON.parse(readFileSync(folder + name, 'utf8')),
    specs: specsIn(`${folder}${parse(name).name}/`),
  }));

function specsIn(place: string): EarlierVersion['specs'] {
  return readdirSync(place).map((file) => ({ file, text: readFileSync(place + file, 'utf8') }));
}
