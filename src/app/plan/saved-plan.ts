import { join, resolve } from 'node:path';
import type { DeclaredServer } from '../../model/desired.ts';
import type { SourceText } from '../../model/diagnostics.ts';
import { LoomsError } from '../../model/errors.ts';
import { basisOf } from '../../model/plan/plan-basis.ts';
import type { Plan } from '../../model/plan.ts';
import { noRules, type Policies, type Policy } from '../../model/policy.ts';
import { canonicalJson } from '../../model/values/canonical-json.ts';
import { defined } from '../../model/values/defined.ts';
import { parsedJson } from '../../model/values/parsed-json.ts';
import { sha256 } from '../../model/values/sha256.ts';
import { type Check, list, number, object, oneOf, optional, record, text } from '../../model/values/structure.ts';
import type { FilesIntent } from '../../orchestrator/port.ts';
import { isDeclaredServer } from '../../spec/record/record.ts';
import { nearPath } from './near-path.ts';
import type { PruneRules, Work } from './plan-work.ts';

/** Raise it when a file of an older version cannot be carried out any more. */
const schemaVersion = 3;

/** A spec file that a plan was made from. */
type PlannedFile = {
  /** Relative to the folder that the plan was made in where it is below it; looked for in that of its execution. */
  readonly file: string;
  readonly sha256: string;
};

/** The rules that hold for a run, and among them those of the project file, with its folder. */
export type AppliedPolicy = {
  readonly policies: Policies;
  readonly ofProject?: { readonly rules: Policy; readonly folder: string };
};

/**
 * The policy of the project file that a plan was made under. Those of a user and of a machine are theirs: they hold where
 * the plan is carried out, and need not be the same there.
 */
type PlannedPolicy = {
  /** Of the project file, as `PlannedFile.file`; absent where none applied. */
  readonly file?: string;
  /** Of its rules alone, folders below that of the file relative to it: the same in every checkout. */
  readonly sha256: string;
};

/**
 * A plan that waits for its execution (schemas/saved-plan.schema.json): what `diff` showed, and what it was made from.
 * Secrets are in it as references only, as in the labels of containers; images that are built by their references,
 * which name the content that goes in.
 */
export type SavedPlan = {
  readonly kind: 'looms-plan';
  readonly schemaVersion: typeof schemaVersion;
  /** `looms/<version>`: another version may plan another way. */
  readonly madeBy: string;
  readonly plan: Plan;
  /** All that was declared; `source.directory` as `PlannedFile.file`. */
  readonly servers: readonly DeclaredServer[];
  readonly choices: Pick<FilesIntent, 'only' | 'replace' | 'keep'> & {
    readonly undesired: 'remove' | 'warn';
    readonly prune?: PruneRules;
  };
  readonly files: readonly PlannedFile[];
  readonly policy: PlannedPolicy;
};

function policyHash({ ofProject }: AppliedPolicy): string {
  if (ofProject === undefined) return sha256(canonicalJson(noRules));
  const { rules, folder } = ofProject;
  const { allowedMounts, ...others } = rules;
  return sha256(canonicalJson({ ...others, allowedMounts: allowedMounts?.map((path) => nearPath(path, folder)) }));
}

/** Whether a plan was made under the rules that hold now. */
export const isSamePolicy = ({ policy }: SavedPlan, applied: AppliedPolicy): boolean =>
  policy.sha256 === policyHash(applied);

/** What is written to a file so that exactly this plan can be carried out later. */
export function savedPlanOf(
  { plan, servers, intent, rules }: Work,
  made: {
    readonly by: string;
    readonly in: string;
    readonly from: readonly SourceText[];
    readonly under: AppliedPolicy;
  },
): SavedPlan {
  if (intent.kind !== 'files') throw new LoomsError('internal', 'only what files declare is planned for later');
  const { only, replace, keep, undesired } = intent;
  const { prune } = rules;
  const { ofProject } = made.under;
  return {
    kind: 'looms-plan',
    schemaVersion,
    madeBy: made.by,
    plan,
    servers: servers.map((server) => ({
      ...server,
      source: { ...server.source, directory: nearPath(server.source.directory, made.in) },
    })),
    choices: {
      undesired: undesired === 'remove' ? 'remove' : 'warn',
      ...defined({ only, replace, keep, prune }),
    },
    files: made.from
      .filter(({ file }) => file !== '-')
      .map(({ file, text: content }) => ({ file, sha256: sha256(content) })),
    policy: {
      ...(ofProject === undefined ? {} : { file: nearPath(join(ofProject.folder, 'looms.yaml'), made.in) }),
      sha256: policyHash(made.under),
    },
  };
}

/** Whether a spec file is still the one that a plan was made from. */
export const isSameFile = (planned: PlannedFile, content: string): boolean => planned.sha256 === sha256(content);

/** The servers of a saved plan, with their folders where the plan is carried out. */
export const serversIn = (saved: SavedPlan, workingDirectory: string): DeclaredServer[] =>
  saved.servers.map((server) => ({
    ...server,
    source: { ...server.source, directory: resolve(workingDirectory, server.source.directory) },
  }));

const anything: Check = (value) => value !== undefined;

const isPlan: Check = object({
  project: text,
  engine: object({ id: text, name: text, engines: optional(record(text)) }),
  basis: text,
  changes: list(object({ server: text, action: text })),
  support: list(object({ kind: text, name: text, action: text })),
  images: list(object({ ref: text, action: oneOf('pull', 'build') })),
  steps: list(object({ id: text, op: text, text, after: list(text) })),
  drift: list(object({ server: text })),
  rotations: list(object({ server: text })),
  warnings: list(object({ code: text, message: text })),
});

const isSavedPlan: Check = object({
  madeBy: text,
  plan: isPlan,
  servers: list(isDeclaredServer),
  choices: object({
    undesired: oneOf('remove', 'warn'),
    only: optional(list(text)),
    replace: optional(list(text)),
    keep: optional(number),
    prune: optional(anything),
  }),
  files: list(object({ file: text, sha256: text })),
  policy: object({ file: optional(text), sha256: text }),
});

function parse(content: string): { readonly kind?: unknown; readonly schemaVersion?: unknown } | undefined {
  const value = parsedJson(content);
  return typeof value === 'object' && value !== null ? value : undefined;
}

/** Whether a file's text is a saved plan of any version: such a file may be written over. */
export const looksLikePlan = (content: string): boolean => parse(content)?.kind === 'looms-plan';

/** Reads what `savedPlanOf` made. Throws `plan-invalid` for other text, another schema version, an edited plan. */
export function readSavedPlan(content: string, file: string): SavedPlan {
  const value = parse(content);
  if (value?.kind !== 'looms-plan') {
    throw new LoomsError('plan-invalid', `${file} is no saved plan`, {
      hint: `a spec is applied with -f ${file}; a plan comes from \`looms diff --out FILE\``,
    });
  }
  const again = 'make the plan again with `looms diff --out`';
  if (value.schemaVersion !== schemaVersion) {
    const message = `${file} is a plan of schema version ${String(value.schemaVersion)}, and this looms reads version ${schemaVersion}`;
    throw new LoomsError('plan-invalid', message, { hint: again });
  }
  if (!isSavedPlan(value))
    throw new LoomsError('plan-invalid', `${file} is a plan with parts missing`, { hint: again });
  const saved = value as SavedPlan;
  if (basisOf(saved.plan) !== saved.plan.basis) {
    throw new LoomsError('plan-invalid', `${file} was changed after it was saved`, { hint: again });
  }
  return saved;
}
