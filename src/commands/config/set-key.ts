import { recordChange } from '../../app/apply/record-change.ts';
import { BaseCommand } from '../../cli/base-command.ts';
import { requiredArg } from '../../cli/command-line/args.ts';
import { storeFlag } from '../../cli/flags.ts';
import { askSecret } from '../../cli/terminal/ask-secret.ts';
import { requireSecretName, type StoredKey } from '../../model/secrets/secret-names.ts';

export default class ConfigSetKey extends BaseCommand {
  static override summary = 'Store a secret on this machine';
  static override description =
    'Stores a secret under a name that specs use as ${secret:NAME}: in an encrypted file, or with --store keyring in the ' +
    'keyring of the operating system. Asks for it without showing it, or reads standard input.';
  static override examples = [
    { description: 'Asked for on the terminal', command: 'looms config set-key teradata_uri' },
    { description: 'In the keyring of the desktop', command: 'looms config set-key teradata_uri --store keyring' },
    { description: 'From another program', command: 'pass show teradata | looms config set-key teradata_uri' },
  ];
  static override args = { name: requiredArg({ description: 'name of the secret' }) };

  static override flags = storeFlag('where it is kept: file is the default');

  async run(): Promise<StoredKey> {
    const { flags, args } = await this.parse(ConfigSetKey);
    const { ports, terminal, secretStores } = await this.open(flags);
    requireSecretName(args.name);
    const store = await secretStores.named(flags.store ?? 'file');
    const value = await askSecret(`Secret ${args.name}`);
    await recordChange(ports, { secret: args.name }, async () => store.set(args.name, value));
    this.answer(() => `Stored ${terminal.palette.strong(args.name)} in the ${store.name}.`);
    return { name: args.name, store: store.name };
  }
}
