import { recordChange } from '../../app/apply/record-change.ts';
import { requiredArg } from '../../cli/args.ts';
import { askSecret } from '../../cli/ask-secret.ts';
import { BaseCommand } from '../../cli/base-command.ts';
import { requireSecretName } from '../../model/secret-names.ts';

export default class ConfigSetKey extends BaseCommand {
  static override summary = 'Store a secret on this machine';
  static override description =
    'Stores a secret, encrypted, under a name that specs use as ${secret:NAME}. Asks for it without showing it, or reads ' +
    'standard input.';
  static override examples = [
    { description: 'Asked for on the terminal', command: 'looms config set-key teradata_uri' },
    { description: 'From another program', command: 'pass show teradata | looms config set-key teradata_uri' },
  ];
  static override args = { name: requiredArg({ description: 'name of the secret' }) };

  async run(): Promise<{ readonly name: string }> {
    const { flags, args } = await this.parse(ConfigSetKey);
    const { ports, terminal, storedSecrets } = await this.open(flags);
    requireSecretName(args.name);
    const value = await askSecret(`Secret ${args.name}`, terminal);
    await recordChange(ports, { secret: args.name }, async () => (await storedSecrets()).set(args.name, value));
    this.answer(() => `Stored ${terminal.palette.strong(args.name)}.`);
    return { name: args.name };
  }
}
