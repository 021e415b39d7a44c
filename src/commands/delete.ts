import * as Flags from '@oclif/core/flags';
import { planWork } from '../app/plan/plan-work.ts';
import { BaseCommand } from '../cli/base-command.ts';
import { remainingArgs, serverName } from '../cli/command-line/args.ts';
import type { CommandContext } from '../cli/context.ts';
import { applyFlags, keepOf, placeFlags, specFlags } from '../cli/flags.ts';
import { readUsableSpecs } from '../cli/project/specs.ts';
import { type PlanOutcome, runPlan } from '../cli/run/run-plan.ts';
import { LoomsError } from '../model/errors.ts';
import type { ServerName } from '../model/ids.ts';

export default class Delete extends BaseCommand {
  static override summary = 'Remove servers';
  static override description =
    'Removes the containers of the servers that are named, of those that files declare, or of the whole project. ' +
    'Named volumes stay, since they hold data. With --preserve-data the files of lifecycle.preserve are copied first and ' +
    'given back to the next server of the name; without it, files that an earlier delete kept of a server that is named ' +
    'go too. Shows the plan and asks first.';
  static override examples = [
    { description: 'One server', command: 'looms delete fs' },
    { description: 'Those that a file declares', command: 'looms delete -f mcp.yaml' },
    {
      description: 'One server, whose files the next one of its name gets back',
      command: 'looms delete fs --preserve-data',
    },
    { description: 'Everything of a project, without asking', command: 'looms delete --all --project team-a --yes' },
  ];
  static override args = { name: remainingArgs({ description: 'names of servers' }) };
  static override flags = {
    file: Flags.string({
      ...specFlags.file,
      multiple: true,
      multipleNonGreedy: true,
      description: 'remove the servers that these files declare',
    }),
    strict: Flags.boolean({
      description: 'treat warnings about credentials in the files of -f as errors',
      relationships: [{ type: 'all', flags: ['file'] }],
    }),
    all: Flags.boolean({ description: 'remove all servers of the project' }),
    'preserve-data': Flags.boolean({
      description: 'keep the files of lifecycle.preserve; nothing is removed when they cannot be copied',
    }),
    ...applyFlags,
    ...placeFlags,
  };

  async run(): Promise<PlanOutcome> {
    const { flags, args } = await this.parse(Delete);
    const context = await this.open(flags);
    const json = this.jsonEnabled();
    const servers = await this.chooseServers(args.name ?? [], flags, context);
    // Who names no server does not mean what was kept of servers that are gone.
    const unnamed = servers === 'all' ? 'leave' : 'give-up';
    const data = flags['preserve-data'] ? 'keep' : unnamed;
    const prepared = await planWork(
      context.ports,
      { kind: 'removal', project: context.project.name, servers, data, keep: keepOf({}, context) },
      { policies: context.policies },
    );
    const { engine, project } = prepared.plan;
    return runPlan(prepared, flags, {
      context,
      json,
      question: `Remove this from project ${project} on ${engine.name}?`,
    });
  }

  /** Exactly one way of saying what goes: a mistyped combination must not widen what is removed. */
  private async chooseServers(
    names: readonly string[],
    flags: { readonly file?: readonly string[] | undefined; readonly all: boolean; readonly strict: boolean },
    context: CommandContext,
  ): Promise<readonly ServerName[] | 'all'> {
    const files = flags.file ?? [];
    const ways = [names.length > 0, files.length > 0, flags.all].filter(Boolean).length;
    if (ways !== 1) {
      throw new LoomsError(
        'usage',
        ways === 0 ? 'nothing was named to remove' : 'names, -f and --all exclude one another',
        { hint: 'name servers, or give -f FILE, or --all' },
      );
    }
    if (flags.all) return 'all';
    if (names.length > 0) return [...new Set(names.map(serverName))];
    const { servers } = await readUsableSpecs({ file: files, strict: flags.strict }, context, this.jsonEnabled());
    return servers.map(({ spec }) => spec.name);
  }
}
