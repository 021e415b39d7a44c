import * as Flags from '@oclif/core/flags';
import { planWork } from '../app/plan/plan-work.ts';
import { BaseCommand } from '../cli/base-command.ts';
import { requiredArg, serverName } from '../cli/command-line/args.ts';
import { applyFlags, historyFlags, keepOf, placeFlags, trustFlags } from '../cli/flags.ts';
import { type PlanOutcome, runPlan } from '../cli/run/run-plan.ts';

export default class Rollback extends BaseCommand {
  static override summary = 'Take a server back to an earlier generation';
  static override description =
    'Replaces what runs by an earlier generation, spec and image as they were then, through the same plan and the same ' +
    'gate as apply: when it does not answer MCP, what runs goes on (exit 4). Without --to it is the last one that ' +
    'served and was something else. Secrets have the values of today. The files are not changed: the next apply of ' +
    'them takes it forward again.';
  static override examples = [
    { description: 'Back to what served before', command: 'looms rollback fs' },
    { description: 'To a certain generation, without asking', command: 'looms rollback fs --to 3 --yes' },
    { description: 'What would that change?', command: 'looms rollback fs --to 3 --dry-run' },
  ];
  static override args = { name: requiredArg({ description: 'name of the server' }) };
  static override flags = {
    to: Flags.integer({ description: 'the generation; `history` lists them', helpValue: 'N', min: 1 }),
    ...historyFlags,
    'keep-failed': Flags.boolean({ description: 'keep a new container that did not pass its gate, to look into it' }),
    ...applyFlags,
    ...trustFlags,
    ...placeFlags,
  };

  async run(): Promise<PlanOutcome> {
    const { flags, args } = await this.parse(Rollback);
    const context = await this.open(flags);
    const name = serverName(args.name);
    const prepared = await planWork(
      context.ports,
      {
        kind: 'rollback',
        project: context.project.name,
        server: name,
        to: flags.to,
        keepFailed: flags['keep-failed'],
        keep: keepOf(flags, context),
      },
      { policies: context.policies },
    );
    const to = prepared.intent.kind === 'rollback' ? prepared.intent.to : undefined;
    const { engine, project } = prepared.plan;
    return runPlan(prepared, flags, {
      context,
      json: this.jsonEnabled(),
      question: `Take ${name} of project ${project} on ${engine.name} back?`,
      // Not "as declared": the files may well declare something else.
      nothingToDo: `Nothing to do: ${name} runs as generation ${to} did.`,
      afterwards: {
        code: 'rolled-back',
        message: `where the files of ${name} say otherwise, \`looms diff\` shows how, and the next apply of them takes it forward again`,
      },
    });
  }
}
