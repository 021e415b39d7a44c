import { BaseCommand } from '../../cli/base-command.ts';
import { projectFlags } from '../../cli/flags.ts';
import { renderTable } from '../../cli/render/table.ts';
import { visible } from '../../cli/render/text.ts';
import { shownTime } from '../../model/times.ts';

/** A token of a client; what it is is not kept. */
export type ListedToken = {
  readonly name: string;
  readonly allow: readonly string[];
  readonly created: string;
  readonly expires?: string;
  readonly expired: boolean;
};

export default class TokenList extends BaseCommand {
  static override summary = 'List the tokens that were made for clients of looms serve';
  static override description =
    'Those of `looms token new`, by name, with what each may use. Tokens that looms.yaml names are not among them.';
  static override examples = [{ description: 'Of the project', command: 'looms token list' }];
  static override flags = projectFlags;

  async run(): Promise<readonly ListedToken[]> {
    const { flags } = await this.parse(TokenList);
    const { clientTokens, ports, project, terminal } = await this.open(flags);
    const tokens = (await clientTokens(project.name)).list().map(
      ({ name, allow, created, expires }): ListedToken => ({
        ...{ name, allow, created, ...(expires === undefined ? {} : { expires }) },
        expired: expires !== undefined && Date.parse(expires) <= ports.now(),
      }),
    );
    const rows = tokens.map(({ name, allow, created, expires, expired }) => [
      visible(name),
      visible(allow.join(' ')),
      visible(created.slice(0, 10)),
      expires === undefined ? 'never' : `${visible(shownTime(expires))}${expired ? ' (over)' : ''}`,
    ]);
    if (rows.length === 0) this.notice('No token was made for clients of this project.');
    else this.answer(() => renderTable(['NAME', 'ALLOW', 'CREATED', 'EXPIRES'], rows, terminal.palette));
    return tokens;
  }
}
