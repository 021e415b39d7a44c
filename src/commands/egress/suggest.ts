import { type EgressSuggestion, suggestEgress } from '../../app/inspect/suggest-egress.ts';
import { BaseCommand } from '../../cli/base-command.ts';
import { requiredArg, serverName } from '../../cli/command-line/args.ts';
import { placeFlags } from '../../cli/flags.ts';
import { visibleLines } from '../../cli/render/text.ts';

export default class EgressSuggest extends BaseCommand {
  static override summary = 'Show what to list so that a server reaches what it tried';
  static override description =
    'Prints network.egress of a server as its spec lists it, with what its forwarder refused since, and how often. Where ' +
    'only a name was asked for, the port is not known and stands as PORT, which no spec is valid with; with ' +
    'network.egress_learn: true in its spec, ports are known as well. Changes nothing.';
  static override examples = [{ description: 'One server', command: 'looms egress suggest db' }];
  static override args = { server: requiredArg({ description: 'name of the server' }) };
  static override flags = { ...placeFlags };

  async run(): Promise<EgressSuggestion> {
    const { flags, args } = await this.parse(EgressSuggest);
    const { ports, project, terminal } = await this.open(flags);
    const request = { project: project.name, name: serverName(args.server) };
    const { suggestion, notices } = await suggestEgress(ports, request);
    for (const notice of notices) terminal.note(notice);
    this.answer(() => visibleLines(suggestion.yaml));
    return suggestion;
  }
}
