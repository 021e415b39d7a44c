import * as Flags from '@oclif/core/flags';
import { initSpec, templates, type WrittenSpec } from '../app/plan/init-spec.ts';
import { BaseCommand } from '../cli/base-command.ts';
import { defaultedArg } from '../cli/command-line/args.ts';

const templateList = templates.map(({ name, summary }) => `${name} (${summary})`).join(', ');

export default class Init extends BaseCommand {
  static override summary = 'Write a first spec';
  static override description =
    `Writes a spec to apply, or to fill in first, and beside it the schema that editors check it with. Templates: ${templateList}.`;
  static override examples = [
    { description: 'A server from npm, as mcp.yaml', command: 'looms init' },
    { description: 'A Python server under a name of its own', command: 'looms init clock --template python' },
    { description: 'Into another file', command: 'looms init fs --template filesystem --file specs/fs.yaml' },
  ];
  static override args = { name: defaultedArg({ description: 'name of the server', value: 'my-server' }) };
  static override flags = {
    template: Flags.string({
      description: 'what to start from',
      options: templates.map(({ name }) => name),
      default: 'node',
    }),
    file: Flags.string({ char: 'f', description: 'where to write', helpValue: 'PATH', default: 'mcp.yaml' }),
    force: Flags.boolean({ description: 'replace a file that is there' }),
  };

  async run(): Promise<WrittenSpec> {
    const { flags, args } = await this.parse(Init);
    const { ports, terminal } = await this.open(flags);
    const { template, file, force } = flags;
    const written = await initSpec(ports, { name: args.name, template, file, force });
    this.answer(() => {
      const apply = file === 'mcp.yaml' ? 'looms apply' : `looms apply -f ${file}`;
      return `Wrote ${terminal.palette.strong(file)}. Look at it, then run: ${terminal.palette.strong(apply)}`;
    });
    return written;
  }
}
