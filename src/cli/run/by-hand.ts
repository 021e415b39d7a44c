import * as Flags from '@oclif/core/flags';
import { chooseDeclared } from '../../app/plan/choose-declared.ts';
import { doesWhatWasSaid } from '../../app/plan/does-what-was-said.ts';
import type { LoadedSpecs } from '../../app/plan/load-specs.ts';
import { planWork, type Work } from '../../app/plan/plan-work.ts';
import { isFailure, LoomsError } from '../../model/errors.ts';
import type { ServerName } from '../../model/ids.ts';
import type { CommandContext } from '../context.ts';
import { applyFlags, keepOf, placeFlags, trustFlags } from '../flags.ts';
import { defaultPaths, readUsableSpecs } from '../project/specs.ts';
import { listed } from '../render/text.ts';
import { type PlanOutcome, type RunPlanFlags, runPlan } from './run-plan.ts';

/** Flags of commands that work on servers by hand. */
export const byHandFlags = {
  'dry-run': applyFlags['dry-run'],
  'lock-timeout': applyFlags['lock-timeout'],
  grace: applyFlags.grace,
};

/** Flags of `start` and `restart`. */
export const startFlags = {
  config: Flags.string({
    description: 'the spec file that declares the servers; default is what is recorded on their containers',
    helpValue: 'FILE',
  }),
  yes: applyFlags.yes,
  timeout: applyFlags.timeout,
  ...byHandFlags,
  ...trustFlags,
  ...placeFlags,
};

type StartRequest = {
  readonly names: readonly ServerName[];
  /** Replace them also when nothing changed. */
  readonly replace: boolean;
  readonly json: boolean;
};

/** Starts servers, or replaces them, and asks where they would become others. Throws `server-not-found`. */
export async function startByHand(
  context: CommandContext,
  flags: RunPlanFlags & { readonly config?: string | undefined },
  request: StartRequest,
): Promise<PlanOutcome> {
  const { names, replace, json } = request;
  return runPlan(await planStart(context, request, flags.config), flags, {
    context,
    json,
    question: `Replace ${listed(names)} of project ${context.project.name} by this?`,
    goesAhead: doesWhatWasSaid,
    ...(replace
      ? {}
      : { nothingToDo: `${listed(names)} ${names.length === 1 ? 'runs' : 'run'} already, as declared.` }),
  });
}

/** Plans a start: by the file named, the containers' records, or this folder's specs. */
async function planStart(context: CommandContext, request: StartRequest, file: string | undefined): Promise<Work> {
  const { names, replace } = request;
  if (file !== undefined) {
    const loaded = await readUsableSpecs({ file: [file], strict: false }, context, request.json);
    return planDeclared(context, loaded, request, file);
  }
  const { project, policies, ports } = context;
  try {
    const wish = { kind: replace ? 'restart' : 'start' } as const;
    const keep = keepOf({}, context);
    const directory = ports.workingDirectory;
    const intent = { kind: 'recorded', project: project.name, servers: names, wish, keep, directory } as const;
    return await planWork(ports, intent, { policies });
  } catch (error) {
    if (!isFailure(error, 'server-not-found')) throw error;
    const specs = await ownSpecs(context, request);
    const declares = (name: ServerName): boolean => specs?.servers.some(({ spec }) => spec.name === name) === true;
    if (specs !== undefined && names.every(declares)) {
      return planDeclared(context, specs, request, specs.files.join(', '));
    }
    const declared = specs === undefined ? '' : `, and none in ${specs.files.join(', ')}`;
    const config = `looms mcp start ${names.join(' ')} --config FILE starts what a file declares`;
    throw new LoomsError('server-not-found', `${error.message}${declared}`, {
      hint: error.hint === undefined ? config : `${error.hint}; ${config}`,
    });
  }
}

/** The specs of this folder; undefined when it has none. */
async function ownSpecs(context: CommandContext, { json }: StartRequest): Promise<LoadedSpecs | undefined> {
  const file = await defaultPaths(context);
  return file.length === 0 ? undefined : readUsableSpecs({ file, strict: false }, context, json);
}

const planDeclared = (
  context: CommandContext,
  { servers, recipes }: LoadedSpecs,
  { names, replace }: StartRequest,
  file: string,
): Promise<Work> =>
  planWork(
    context.ports,
    {
      kind: 'files',
      project: context.project.name,
      servers: names.map((name) => chooseDeclared(servers, name, { file, alone: names.length === 1 })),
      recipes,
      undesired: 'ignore',
      only: names,
      keep: keepOf({}, context),
      replace: replace ? names : undefined,
    },
    { policies: context.policies },
  );
