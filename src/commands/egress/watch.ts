import { watchEgress } from '../../app/inspect/suggest-egress.ts';
import { BaseCommand } from '../../cli/base-command.ts';
import { requiredArg, serverName } from '../../cli/command-line/args.ts';
import { placeFlags } from '../../cli/flags.ts';
import { visibleLines } from '../../cli/render/text.ts';
import { untilSignal } from '../../cli/terminal/signals.ts';
import { seenJson } from '../../model/values/unseen.ts';

export default class EgressWatch extends BaseCommand {
  static override summary = 'Show what a server tries to reach, as it tries it';
  static override description =
    'Prints what `looms egress suggest` does, and then each line of it that is new or has another count, until Ctrl-C ' +
    '(exit 130). With network.egress_learn: true in its spec, ports are known as well. Changes nothing.';
  static override examples = [
    { description: 'One server, while it is used', command: 'looms egress watch db' },
    {
      description: 'For a program: all of it in one line, whenever it changed',
      command: 'looms egress watch db --json',
    },
  ];
  static override args = { server: requiredArg({ description: 'name of the server' }) };
  static override flags = { ...placeFlags };

  async run(): Promise<void> {
    const { flags, args } = await this.parse(EgressWatch);
    const { ports, project, terminal } = await this.open(flags);
    const request = { project: project.name, name: serverName(args.server) };
    const said = new Set<string>();
    const isNew = (text: string): boolean => said.size < said.add(text).size;
    await untilSignal(async (stop) => {
      for await (const { suggestion, notices } of watchEgress(ports, request, stop)) {
        const lines = this.jsonEnabled() ? [JSON.stringify(suggestion)] : suggestion.yaml.split('\n');
        for (const notice of notices) if (isNew(notice.message)) terminal.note(notice);
        for (const line of lines) {
          if (!isNew(line)) continue;
          if (!(await terminal.stream(this.jsonEnabled() ? seenJson(line) : visibleLines(line)))) return;
        }
      }
    });
  }
}
