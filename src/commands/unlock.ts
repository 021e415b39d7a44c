import * as Flags from '@oclif/core/flags';
import { recordChange } from '../app/apply/record-change.ts';
import { requireLockId } from '../app/apply/unlock-project.ts';
import { BaseCommand } from '../cli/base-command.ts';
import { optionalArg } from '../cli/command-line/args.ts';
import { exitCode } from '../cli/exit-codes.ts';
import { placeFlags } from '../cli/flags.ts';
import { type LockView, lockView, renderLock } from '../cli/render/lock.ts';
import { confirm } from '../cli/terminal/confirm.ts';
import { describeHolder, shortLockId } from '../model/lock.ts';

export default class Unlock extends BaseCommand {
  static override summary = 'Take the lock of a project away from a run that will never end';
  static override description =
    'Without an id: shows who holds the lock, and changes nothing. With the id of the lock: asks, and removes it. ' +
    'A run that still lives notices and stops before it takes anything away. A lock whose run on this machine was ' +
    'killed, or gave no sign of life for a minute, needs none of this: the next apply takes it over.';
  static override examples = [
    { description: 'Who holds it?', command: 'looms unlock' },
    { description: 'Take it away', command: 'looms unlock 4f0c2d9a1b3e --project team-a' },
  ];
  static override args = {
    id: optionalArg({ description: 'id of the lock, as the error or `looms unlock` shows it' }),
  };
  static override flags = {
    yes: Flags.boolean({ char: 'y', description: 'do not ask' }),
    ...placeFlags,
  };

  async run(): Promise<LockView> {
    const { flags, args } = await this.parse(Unlock);
    const { ports, project, terminal } = await this.open(flags);
    const { lock } = await ports.orchestrator();
    const found = await lock.look(project.name, args.id);
    const view = (removed: boolean): LockView => lockView(project.name, found, removed);
    if (found === null || args.id === undefined) {
      this.answer(() => renderLock(view(false), found, terminal.palette));
      return view(false);
    }
    requireLockId(found, args.id, project.name);
    const whose = `lock ${shortLockId(found.holder)} of project ${project.name}, held by ${describeHolder(found.holder)}`;
    const refusal = `${whose}, would be taken away, and nobody agreed`;
    if (!(await confirm(`Take away ${whose}?`, { yes: flags.yes, terminal, refusal, lookFirst: false }))) {
      terminal.notice('Nothing was changed.');
      process.exitCode = exitCode.notConfirmed;
      return view(false);
    }
    await recordChange(ports, { project: project.name, lock: shortLockId(found.holder) }, () =>
      lock.take(found.holder),
    );
    this.answer(() => renderLock(view(true), found, terminal.palette));
    return view(true);
  }
}
