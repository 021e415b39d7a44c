import { BaseCommand } from '../../cli/base-command.ts';
import { requiredArg } from '../../cli/command-line/args.ts';
import { missingKey } from '../../cli/command-line/missing-key.ts';
import { storeFlag } from '../../cli/flags.ts';
import type { FoundKey } from '../../model/secrets/secret-names.ts';

export default class ConfigGetKey extends BaseCommand {
  static override summary = 'Print a secret that is stored on this machine';
  static override description =
    'Prints the value of a secret that `looms config set-key` stored. Exits 77 when there is none of that name.';
  static override examples = [
    { description: 'To the clipboard', command: 'looms config get-key teradata_uri | wl-copy' },
  ];
  static override args = { name: requiredArg({ description: 'name of the secret' }) };

  static override flags = storeFlag('where it is looked for: default is the keyring, then file');

  async run(): Promise<FoundKey> {
    const { flags, args } = await this.parse(ConfigGetKey);
    const { secretStores } = await this.open(flags);
    const found = await secretStores.find(args.name, flags.store);
    if (!found.found) throw missingKey(args.name);
    this.pass(() => found.value);
    return { name: args.name, value: found.value, store: found.provider };
  }
}
