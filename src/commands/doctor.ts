import { Flags } from '@oclif/core';
import { type Diagnosis, diagnose } from '../app/inspect/diagnose.ts';
import { BaseCommand } from '../cli/base-command.ts';
import { exitCode } from '../cli/exit-codes.ts';
import { engineFlags } from '../cli/flags.ts';
import { renderDiagnosis } from '../cli/render/diagnosis.ts';
import { cancelOnSignal } from '../cli/terminal/signals.ts';

export default class Doctor extends BaseCommand {
  static override summary = 'Check that looms can work here';
  static override description =
    'Shows where an engine was looked for and why one was chosen, what it can do, and what to do about what is missing. ' +
    'Exits 0 when everything needed is there, 69 when no engine answers.';
  static override examples = [
    { description: 'This machine', command: 'looms doctor' },
    { description: 'An engine elsewhere', command: 'looms doctor --host ssh://user@machine' },
    { description: 'A Kubernetes cluster', command: 'looms doctor --context kubernetes:prod' },
    {
      description: 'Whether a cluster keeps isolated servers in, by two pods that are deleted again',
      command: 'looms doctor --context kubernetes:prod --probe',
    },
  ];
  static override flags = {
    probe: Flags.boolean({
      description:
        'of a cluster: try out whether it enforces NetworkPolicies, by two pods in a namespace of their own; takes up to two minutes',
    }),
    ...engineFlags,
  };

  async run(): Promise<Diagnosis> {
    const { flags } = await this.parse(Doctor);
    const { ports, terminal } = await this.open(flags);
    const diagnosis = await cancelOnSignal(this.program, (signal) => diagnose(ports, { probe: flags.probe, signal }));
    this.answer(() => renderDiagnosis(diagnosis, terminal.palette));
    if (diagnosis.engine === null) process.exitCode = exitCode.unreachable;
    else if (diagnosis.checks.some((check) => check.status === 'failed')) process.exitCode = exitCode.failed;
    return diagnosis;
  }
}
