import { requiredArg } from '../../cli/args.ts';
import { BaseCommand } from '../../cli/base-command.ts';
import { missingKey } from '../../cli/missing-key.ts';

export default class ConfigGetKey extends BaseCommand {
  static override summary = 'Print a secret that is stored on this machine';
  static override description = 'Prints the value of a stored secret. Exits 77 when there is none of that name.';
  static override examples = [
    { description: 'To the clipboard', command: 'looms config get-key teradata_uri | wl-copy' },
  ];
  static override args = { name: requiredArg({ description: 'name of the secret' }) };

  async run(): Promise<{ readonly name: string; readonly value: string }> {
    const { flags, args } = await this.parse(ConfigGetKey);
    const { storedSecrets } = await this.open(flags);
    const found = await (await storedSecrets()).get(args.name);
    if (!found.found) throw missingKey(args.name);
    this.pass(() => found.value);
    return { name: args.name, value: found.value };
  }
}
