import * as Flags from '@oclif/core/flags';
import type { InferredFlags } from '@oclif/core/interfaces';
import type { LoadedSpecs } from '../../app/plan/load-specs.ts';
import { planWork, type Work } from '../../app/plan/plan-work.ts';
import type { CommandContext } from '../context.ts';
import { historyFlags, keepOf, needs } from '../flags.ts';
import { serverName } from './args.ts';

/** What is planned: shared by diff and apply, so that both show the same plan. */
export const planFlags = {
  server: Flags.string({
    multiple: true,
    description: 'only this server; can be given more than once',
    helpValue: 'NAME',
  }),
  replace: Flags.string({
    multiple: true,
    description: 'replace this server even when nothing changed; can be given more than once',
    helpValue: 'NAME',
  }),
  prune: Flags.boolean({ description: 'also remove servers of the project that no spec declares' }),
  'max-deletes': Flags.integer({
    description: 'refuse to prune more servers than this',
    helpValue: 'N',
    min: 0,
    relationships: needs('prune'),
  }),
  'allow-empty': Flags.boolean({
    description: 'let --prune remove everything when no server is declared',
    relationships: needs('prune'),
  }),
  ...historyFlags,
};

/** Plans what the specs ask for, for diff and apply alike. Throws `refused` when `--prune` would take too much. */
export async function planSpecs(
  flags: InferredFlags<typeof planFlags>,
  context: CommandContext,
  loaded: LoadedSpecs,
  keepFailed: boolean,
): Promise<Work> {
  const { project, policies, ports } = context;
  const maxDeletes = flags['max-deletes'];
  const intent = {
    kind: 'files',
    project: project.name,
    servers: loaded.servers,
    recipes: loaded.recipes,
    undesired: flags.prune ? 'remove' : 'warn',
    keepFailed,
    keep: keepOf(flags, context),
    only: flags.server?.map(serverName),
    replace: flags.replace?.map(serverName),
  } as const;
  const prune = {
    // oclif leaves a flag out that was not given, whatever its type says; a saved plan must have it.
    prune: flags.prune === true,
    allowEmpty: flags['allow-empty'] === true,
    projectNamed: project.explicit,
    ...(maxDeletes === undefined ? {} : { maxDeletes }),
  };
  return planWork(ports, intent, { policies, prune });
}
