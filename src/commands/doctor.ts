import { type Diagnosis, diagnose } from '../app/inspect/diagnose.ts';
import { BaseCommand } from '../cli/base-command.ts';
import { exitCode } from '../cli/exit-codes.ts';
import { engineFlags } from '../cli/flags.ts';
import { renderDiagnosis } from '../cli/render/diagnosis.ts';

export default class Doctor extends BaseCommand {
  static override summary = 'Check that looms can work here';
  static override description =
    'Shows where an engine was looked for and why one was chosen, what it can do, and what to do about what is missing. ' +
    'Exits 0 when everything needed is there, 69 when no engine answers.';
  static override examples = [
    { description: 'This machine', command: 'looms doctor' },
    { description: 'An engine elsewhere', command: 'looms doctor --host ssh://user@machine' },
    { description: 'A Kubernetes cluster', command: 'looms doctor --context kubernetes:prod' },
  ];
  static override flags = { ...engineFlags };

  async run(): Promise<Diagnosis> {
    const { flags } = await this.parse(Doctor);
    const { ports, terminal } = await this.open(flags);
    const diagnosis = await diagnose(ports);
    this.answer(() => renderDiagnosis(diagnosis, terminal.palette));
    if (diagnosis.engine === null) process.exitCode = exitCode.unreachable;
    else if (diagnosis.checks.some((check) => check.status === 'failed')) process.exitCode = exitCode.failed;
    return diagnosis;
  }
}
