import { recordChange, tokenChange } from '../../app/apply/record-change.ts';
import { BaseCommand } from '../../cli/base-command.ts';
import { requiredArg } from '../../cli/command-line/args.ts';
import { projectFlags } from '../../cli/flags.ts';
import { LoomsError } from '../../model/errors.ts';

export type RevokedToken = { readonly name: string };

export default class TokenRevoke extends BaseCommand {
  static override summary = 'Revoke a token of a client of looms serve';
  static override description =
    'A gateway that runs takes it no longer from then on, and ends its sessions within seconds. Exits 66 where there is none of ' +
    'that name; one that looms.yaml names is taken out there.';
  static override examples = [{ description: 'One token', command: 'looms token revoke ci' }];
  static override args = { name: requiredArg({ description: 'name of the token' }) };
  static override flags = projectFlags;

  async run(): Promise<RevokedToken> {
    const { flags, args } = await this.parse(TokenRevoke);
    const { clientTokens, ports, project, terminal } = await this.open(flags);
    const tokens = await clientTokens(project.name);
    await recordChange(ports, tokenChange(project.name, args.name, 'remove'), async () => {
      if (tokens.revoke(args.name)) return;
      throw new LoomsError('file-not-found', `there is no token ${args.name} of ${project.name}`, {
        hint: 'looms token list shows those that there are',
      });
    });
    this.answer(() => `Revoked ${terminal.palette.strong(args.name)}.`);
    return { name: args.name };
  }
}
