import { requiredArg } from '../../cli/args.ts';
import { BaseCommand } from '../../cli/base-command.ts';
import { storeFlag } from '../../cli/flags.ts';
import { missingKey } from '../../cli/missing-key.ts';

export default class ConfigGetKey extends BaseCommand {
  static override summary = 'Print a secret that is stored on this machine';
  static override description =
    'Prints the value of a secret that `looms config set-key` stored. Exits 77 when there is none of that name.';
  static override examples = [
    { description: 'To the clipboard', command: 'looms config get-key teradata_uri | wl-copy' },
  ];
  static override args = { name: requiredArg({ description: 'name of the secret' }) };

  static override flags = storeFlag('where it is looked for: default is the keyring, then file');

  async run(): Promise<{ readonly name: string; readonly value: string; readonly store: string }> {
    const { flags, args } = await this.parse(ConfigGetKey);
    const { ports, secretStores } = await this.open(flags);
    const stores = flags.store === undefined ? await secretStores.ofMachine() : [await secretStores.named(flags.store)];
    const { createSecretStore } = await import('../../secrets/store.ts');
    const found = await createSecretStore(ports.environment, stores)({ from: 'provider', name: args.name });
    if (!found.found) throw missingKey(args.name);
    this.pass(() => found.value);
    return { name: args.name, value: found.value, store: found.provider };
  }
}
