import * as Flags from '@oclif/core/flags';
import { recordChange, tokenChange } from '../../app/apply/record-change.ts';
import { serverNames } from '../../app/inspect/servers.ts';
import { BaseCommand } from '../../cli/base-command.ts';
import { projectFlags } from '../../cli/flags.ts';
import { LoomsError } from '../../model/errors.ts';
import { endOfDay, isoTime, shownTime } from '../../model/times.ts';
import { parseSeconds } from '../../model/values/moment.ts';
import { halvesOf, isMeant, isScope } from '../../model/values/scopes.ts';

/** A token that was made; `token` is told this once. */
export type NewToken = {
  readonly name: string;
  readonly token: string;
  readonly allow: readonly string[];
  readonly expires?: string;
};

export default class TokenNew extends BaseCommand {
  static override summary = 'Make a token for a client of looms serve';
  static override description =
    'Prints it, this once: only its SHA-256 is kept, in the state folder. It lets its bearer use what --allow names and nothing ' +
    'else: SERVER:NAME are tools and prompts by their names and resources by their URIs, with * for any part. A gateway that ' +
    'runs takes it at once. Exits 73 where there is one of that name.';
  static override examples = [
    { description: 'To read, for a month', command: "looms token new --name ci --allow 'fs:read_*' --expires 30d" },
    { description: 'For everything', command: "looms token new --name me --allow '*:*'" },
  ];
  static override flags = {
    name: Flags.string({
      description: 'what its bearer is called in the audit trail',
      required: true,
      helpValue: 'NAME',
    }),
    allow: Flags.string({
      description: 'what it may use; can be given more than once',
      required: true,
      multiple: true,
      helpValue: 'SERVER:NAME',
    }),
    expires: Flags.string({
      description: 'until when: the last day (2027-01-01, UTC), or how long (30d): default is until it is revoked',
      helpValue: 'WHEN',
    }),
    ...projectFlags,
  };

  async run(): Promise<NewToken> {
    const { flags } = await this.parse(TokenNew);
    const wrong = flags.allow.find((scope) => !isScope(scope));
    if (wrong !== undefined) {
      throw new LoomsError('usage', `--allow takes SERVER:NAME, not ${JSON.stringify(wrong)}`, {
        hint: "for example 'fs:read_*', 'fs:*' for all of a server, '*:*' for everything",
      });
    }
    const { clientTokens, ports, project, terminal } = await this.open(flags);
    const expires = flags.expires === undefined ? undefined : tokenEnd(flags.expires, ports.now());
    const tokens = await clientTokens(project.name);
    const wanted = { name: flags.name, allow: flags.allow, ...(expires === undefined ? {} : { expires }) };
    const made = await recordChange(ports, tokenChange(project.name, flags.name, 'create'), async () =>
      tokens.make(wanted),
    );
    this.answer(() => made.value);
    const names = await serverNames(ports, project.name);
    const unmet = flags.allow.filter((scope) => names !== undefined && !isOfSome(scope, names));
    if (unmet.length > 0) {
      terminal.note({
        code: 'scope-without-server',
        message: `no server of project ${project.name} is called as in ${unmet.join(', ')}: the token reaches one there once it is applied`,
      });
    }
    terminal.notice(
      `Keep it now: it is not shown again. ${made.name} may use ${made.allow.join(', ')}${expires === undefined ? '' : ` until ${shownTime(expires)}`}.`,
    );
    return { ...wanted, token: made.value };
  }
}

/** Whether a scope is about one of these servers, or about the gateway itself. */
function isOfSome(scope: string, names: readonly string[]): boolean {
  const [server] = halvesOf(scope);
  return server === 'looms' || names.some((name) => isMeant(server, name));
}

/** When a token ends, by `--expires`: after its last day (UTC), or so long from `now` (ms). RFC 3339. Throws `usage`. */
function tokenEnd(text: string, now: number): string {
  const day = /^\d{4}-\d\d-\d\d$/.test(text) ? endOfDay(text) : Number.NaN;
  const seconds = parseSeconds(text);
  const at = Number.isNaN(day) ? now + (seconds ?? Number.NaN) * 1000 : day;
  if (at > now) return isoTime(at);
  throw new LoomsError('usage', `--expires: "${text}" is no moment to come`, {
    hint: 'the last day, e.g. 2027-01-01, or how long, e.g. 12h or 30d',
  });
}
