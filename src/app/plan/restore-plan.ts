import { join, resolve } from 'node:path';
import type { Recipe } from '../../model/container/recipe.ts';
import type { DeclaredServer } from '../../model/desired.ts';
import type { EngineDescription } from '../../model/engine.ts';
import { LoomsError } from '../../model/errors.ts';
import { planDifferences } from '../../model/plan/compare-plans.ts';
import type { Plan, PlannedEngine } from '../../model/plan.ts';
import { specHash } from '../../spec/record/record.ts';
import type { Ports } from '../ports.ts';
import { recipeOf } from './load-specs.ts';
import { nearPath } from './near-path.ts';
import { planWork, requirePolicy, type Work } from './plan-work.ts';
import { requireRules } from './require-rules.ts';
import { type AppliedPolicy, isSameFile, isSamePolicy, type SavedPlan, serversIn } from './saved-plan.ts';

const nothingDone = 'nothing was changed; make the plan again with `looms diff --out FILE`';

const stale = (message: string, detail: readonly string[], hint = nothingDone): LoomsError =>
  new LoomsError('plan-stale', message, { detail, hint });

/** The largest spec file that is held against a saved plan, bytes. */
const mostBytesOfSpec = 16 * 1024 * 1024;

/** Spec files that are there and say something else now. One that is not there is no matter: the plan holds all of it. */
async function changedFiles(ports: Ports, saved: SavedPlan): Promise<string[]> {
  const looked = await Promise.all(
    saved.files.map(async (planned) => {
      const read = await ports.files.readRegular(resolve(ports.workingDirectory, planned.file), mostBytesOfSpec);
      if (!read.done) return read.why === 'missing' ? [] : [`${planned.file}: ${read.message}`];
      return isSameFile(planned, read.text) ? [] : [`${planned.file}: it says something else`];
    }),
  );
  return looked.flat();
}

type Builds = { readonly recipes: ReadonlyMap<string, Recipe>; readonly problems: readonly string[] };

/** A plan's recipes, made anew from their files: a reference names content. Missing files matter to builds only. */
async function restoreRecipes(ports: Ports, saved: SavedPlan, servers: readonly DeclaredServer[]): Promise<Builds> {
  const extraCa = await ports.files.readBuildCa();
  const builds = new Set(saved.plan.images.flatMap(({ ref, action }) => (action === 'build' ? [ref] : [])));
  const recipes = new Map<string, Recipe>();
  const problems: string[] = [];
  for (const { spec, image, source } of servers) {
    if (image.kind !== 'built') continue;
    try {
      const recipe = await recipeOf(ports.files, spec, source, extraCa);
      if (recipe?.ref === image.ref) recipes.set(recipe.ref, recipe);
      else problems.push(`${spec.name}: the files that ${image.ref} is built from are others now`);
    } catch (error) {
      if (!(error instanceof LoomsError)) throw error;
      if (builds.has(image.ref)) problems.push(`${spec.name}: ${image.ref} has to be built, and ${error.message}`);
    }
  }
  return { recipes, problems };
}

/** Rules other than those a plan was looked at under are not what was agreed to, be they laxer or not there. */
function requireSamePolicy(saved: SavedPlan, applied: AppliedPolicy, workingDirectory: string): void {
  if (isSamePolicy(saved, applied)) return;
  const { file } = saved.policy;
  const made = file === undefined ? 'without a looms.yaml' : `under the policy of ${file}`;
  const { ofProject } = applied;
  const now =
    ofProject === undefined
      ? 'no looms.yaml applies here'
      : `${nearPath(join(ofProject.folder, 'looms.yaml'), workingDirectory)} applies here, with another one`;
  throw stale(
    `the plan was made ${made}, and ${now}`,
    [],
    'carry it out where its policy applies: beside its spec files, or with that looms.yaml in the working directory; or make the plan again. Nothing was changed',
  );
}

/** Engines, also those of looms.yaml under their names, other than those that a plan was made for are not what was agreed to. */
function requireSameEngine(planned: PlannedEngine, engine: EngineDescription): void {
  if (engine.id !== planned.id) {
    const message = `the plan was made for engine ${planned.name} (${planned.id}), and this is ${engine.name} (${engine.id})`;
    throw stale(message, [], '--host and --context choose the engine; nothing was changed');
  }
  if (engine.kind !== 'several') return;
  const others = Object.entries(planned.engines ?? {}).flatMap(([name, id]) => {
    // What one that does not answer would have to do is part of the plan, which is made again.
    const now = name in engine.away ? id : (engine.engines[name]?.id ?? 'no engine of looms.yaml');
    return now === id ? [] : [`${name}: it was ${id}, and is ${now}`];
  });
  if (others.length > 0) throw stale('the plan was made for other engines than those that looms.yaml names', others);
}

/**
 * Makes a saved plan ready to be carried out, or tells why it cannot be any more. It is planned anew from what the file
 * holds: only when that gives the same plan is this still the engine it was made for, in the state it was made for.
 * `applyWork` looks a last time under the lock.
 * Throws `plan-stale` with what differs, also when another policy applies than it was made under, `refused` when the
 * policy says no, and what `planWork` throws.
 */
export async function restorePlan(ports: Ports, saved: SavedPlan, applied: AppliedPolicy): Promise<Work> {
  const { plan, choices } = saved;
  if (saved.madeBy !== ports.managedBy) {
    throw stale(`the plan was made by ${saved.madeBy}, and this is ${ports.managedBy}`, []);
  }
  requireSameEngine(plan.engine, await (await ports.orchestrator()).describe());
  const servers = serversIn(saved, ports.workingDirectory);
  await requireRules(
    ports,
    servers.map(({ spec }) => spec),
    { code: 'plan-invalid', what: 'the plan declares what no spec may say', hint: nothingDone },
  );
  for (const { spec, image, hash } of servers) {
    if (hash === specHash(spec, image.ref) && (image.kind === 'pulled') === (spec.image.kind === 'image')) continue;
    throw new LoomsError('plan-invalid', `server ${spec.name} of the plan is not what its hash says`, {
      hint: nothingDone,
    });
  }
  const { recipes, problems } = await restoreRecipes(ports, saved, servers);
  const changed = [...(await changedFiles(ports, saved)), ...problems];
  if (changed.length > 0) throw stale('files are not as they were when the plan was made', changed);
  requirePolicy(
    servers.map(({ spec }) => spec),
    applied.policies,
    { project: plan.project, now: ports.now() },
    {
      message: 'the policy does not allow what the plan would make',
      hint: 'change the specs, or have the policy changed, and make the plan again',
    },
  );
  requireSamePolicy(saved, applied, ports.workingDirectory);

  const { undesired, only, replace, keep, prune } = choices;
  const intent = { kind: 'files', project: plan.project, servers, recipes, undesired, only, replace, keep } as const;
  const work = await planWork(ports, intent, { policies: applied.policies, prune });
  const untold = secretsUntold(plan, work.plan);
  if (untold.length > 0) {
    throw stale(
      'the plan replaces servers for secrets that changed, and here that cannot be told',
      untold,
      'give both places one LOOMS_RECORD_KEY, and the secrets',
    );
  }
  if (plan.steps.length > 0 && work.plan.steps.length === 0) {
    throw stale('there is nothing left to do: the engine is as the plan would make it', [], 'nothing was changed');
  }
  const differences = planDifferences(plan, work.plan);
  if (differences.length > 0) throw stale('the engine is not as it was when the plan was made', differences);
  return work;
}

/** Servers that a plan replaces for a secret that changed. */
const withChangedSecret = ({ changes }: Plan): ReadonlySet<string> =>
  new Set(
    changes.flatMap((change) =>
      'reasons' in change && change.reasons.some(({ kind }) => kind === 'secret-changed') ? [change.server] : [],
    ),
  );

/** Why a changed secret that a plan replaces a server for is not seen here, by server. */
function secretsUntold(planned: Plan, now: Plan): readonly string[] {
  const seen = withChangedSecret(now);
  const unseen = new Set([...withChangedSecret(planned)].filter((server) => !seen.has(server)));
  return now.warnings.flatMap(({ code, server = '', message }) =>
    (code === 'secrets-not-compared' || code === 'secrets-of-another-key') && unseen.has(server)
      ? [`${server}: ${message}`]
      : [],
  );
}
