import { recordChange } from '../../app/apply/record-change.ts';
import { BaseCommand } from '../../cli/base-command.ts';
import { requiredArg } from '../../cli/command-line/args.ts';
import { missingKey } from '../../cli/command-line/missing-key.ts';
import { storeFlag } from '../../cli/flags.ts';
import type { StoredKey } from '../../model/secrets/secret-names.ts';

export default class ConfigDeleteKey extends BaseCommand {
  static override summary = 'Delete a secret that is stored on this machine';
  static override description =
    'Forgets a secret that `looms config set-key` stored. Exits 77 when there is none of that name.';
  static override examples = [{ description: 'One secret', command: 'looms config delete-key teradata_uri' }];
  static override args = { name: requiredArg({ description: 'name of the secret' }) };

  static override flags = storeFlag('where it is forgotten: file is the default');

  async run(): Promise<StoredKey> {
    const { flags, args } = await this.parse(ConfigDeleteKey);
    const { ports, terminal, secretStores } = await this.open(flags);
    const store = await secretStores.named(flags.store ?? 'file');
    await recordChange(ports, { secret: args.name }, async () => {
      if (!(await store.delete(args.name))) throw missingKey(args.name);
    });
    this.answer(() => `Deleted ${terminal.palette.strong(args.name)} from the ${store.name}.`);
    return { name: args.name, store: store.name };
  }
}
