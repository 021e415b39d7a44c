import { recordChange } from '../../app/apply/record-change.ts';
import { requiredArg } from '../../cli/args.ts';
import { BaseCommand } from '../../cli/base-command.ts';
import { missingKey } from '../../cli/missing-key.ts';

export default class ConfigDeleteKey extends BaseCommand {
  static override summary = 'Delete a secret that is stored on this machine';
  static override description = 'Forgets a stored secret. Exits 77 when there is none of that name.';
  static override examples = [{ description: 'One secret', command: 'looms config delete-key teradata_uri' }];
  static override args = { name: requiredArg({ description: 'name of the secret' }) };

  async run(): Promise<{ readonly name: string }> {
    const { flags, args } = await this.parse(ConfigDeleteKey);
    const { ports, terminal, storedSecrets } = await this.open(flags);
    await recordChange(ports, { secret: args.name }, async () => {
      if (!(await (await storedSecrets()).delete(args.name))) throw missingKey(args.name);
    });
    this.answer(() => `Deleted ${terminal.palette.strong(args.name)}.`);
    return { name: args.name };
  }
}
