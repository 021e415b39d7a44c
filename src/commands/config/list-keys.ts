import { BaseCommand } from '../../cli/base-command.ts';
import { renderTable } from '../../cli/render/table.ts';
import type { ListedKey } from '../../model/secrets/secret-names.ts';

export default class ConfigListKeys extends BaseCommand {
  static override summary = 'List the secrets that specs can use here, and where each comes from';
  static override description =
    'Prints the names of secrets with the store that each is taken from: the first that has it, in the order of looms.yaml. ' +
    'Values are not shown. A store that cannot be asked is exit 69; one that has no list of its names is named.';
  static override examples = [{ description: 'All names', command: 'looms config list-keys' }];

  async run(): Promise<readonly ListedKey[]> {
    const { flags } = await this.parse(ConfigListKeys);
    const { terminal, secretStores } = await this.open(flags);
    const { keys, unlisted } = await secretStores.list();
    const rows = keys.map(({ name, store, alsoIn }) => [name, store, alsoIn.join(', ')]);
    const headers = ['NAME', 'STORE', ...(keys.some(({ alsoIn }) => alsoIn.length > 0) ? ['ALSO IN'] : [])];
    if (keys.length > 0) this.answer(() => renderTable(headers, rows, terminal.palette));
    else this.notice('No secret is stored here.');
    for (const { store, why } of unlisted) {
      terminal.note({ code: 'keys-not-listed', message: `not listed: ${store}: ${why}` });
    }
    return keys;
  }
}
