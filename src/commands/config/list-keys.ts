import { BaseCommand } from '../../cli/base-command.ts';

export default class ConfigListKeys extends BaseCommand {
  static override summary = 'List the secrets that are stored on this machine';
  static override description = 'Prints the names of stored secrets, one a line. Values are not shown.';
  static override examples = [{ description: 'All names', command: 'looms config list-keys' }];

  async run(): Promise<readonly string[]> {
    const { flags } = await this.parse(ConfigListKeys);
    const { storedSecrets } = await this.open(flags);
    const names = await (await storedSecrets()).list();
    if (names.length > 0) this.answer(() => names.join('\n'));
    else this.notice('No secret is stored on this machine.');
    return names;
  }
}
