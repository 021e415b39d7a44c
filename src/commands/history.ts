import { type Generation, getHistory } from '../app/inspect/get-history.ts';
import { BaseCommand } from '../cli/base-command.ts';
import { requiredArg, serverName } from '../cli/command-line/args.ts';
import { placeFlags } from '../cli/flags.ts';
import { renderHistory } from '../cli/render/servers/history.ts';

export default class History extends BaseCommand {
  static override summary = 'Show what a server was before';
  static override description =
    'Lists the generations of a server, newest first: what runs, and what is recorded of those that were replaced or ' +
    'failed their gate, each with what it changed. All of it is on the engine. `rollback` goes back to one of them.';
  static override examples = [
    { description: 'How did it come to be as it is?', command: 'looms history fs' },
    {
      description: 'The commits it was made from, for a script',
      command: "looms history fs --json | jq -r '.[].source'",
    },
  ];
  static override args = { name: requiredArg({ description: 'name of the server' }) };
  static override flags = { ...placeFlags };

  async run(): Promise<readonly Generation[]> {
    const { flags, args } = await this.parse(History);
    const { ports, project, terminal } = await this.open(flags);
    const generations = await getHistory(ports, { project: project.name, name: serverName(args.name) });
    this.answer(() => renderHistory(generations, terminal));
    return generations;
  }
}
