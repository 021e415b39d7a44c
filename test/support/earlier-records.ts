import { readdirSync, readFileSync } from 'node:fs';
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
  /** Where the files of `examples/` were. */
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

export const earlierVersions: readonly EarlierVersion[] = readdirSync(folder).map((name) =>
  JSON.parse(readFileSync(folder + name, 'utf8')),
);
