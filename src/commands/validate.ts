import { BaseCommand } from '../cli/base-command.ts';
import { exitCode } from '../cli/exit-codes.ts';
import { specFlags } from '../cli/flags.ts';
import { countDiagnostics, renderDiagnostics } from '../cli/render/diagnostics.ts';
import { plural } from '../cli/render/text.ts';
import { breaksOnlyPolicy, readSpecs } from '../cli/specs.ts';
import { type Diagnostic, hasErrors } from '../model/diagnostics.ts';

export type ValidateResult = {
  readonly valid: boolean;
  readonly files: readonly string[];
  readonly servers: readonly { readonly name: string; readonly file: string; readonly line: number }[];
  readonly diagnostics: readonly Diagnostic[];
};

export default class Validate extends BaseCommand {
  static override summary = 'Check specs and show everything that is wrong with them';
  static override description =
    'Reads all files, checks every document and shows all findings at once, each with the line it is about. Talks to ' +
    'no engine. Exits 0 when the specs can be used, 65 when not, and 8 when only a policy of looms.yaml forbids them.';
  static override examples = [
    { description: 'The specs of looms.yaml, or mcp.yaml', command: '<%= config.bin %> validate' },
    {
      description: 'A folder, with warnings about credentials as errors',
      command: '<%= config.bin %> validate -f specs/ --strict',
    },
    { description: 'What another program writes', command: 'generate-spec | <%= config.bin %> validate -f - --json' },
  ];
  static override flags = { ...specFlags };

  async run(): Promise<ValidateResult> {
    const { flags } = await this.parse(Validate);
    const context = await this.open(flags);
    const { terminal } = context;
    const { servers, diagnostics, texts, files } = await readSpecs(flags, context, { commits: false });
    const valid = !hasErrors(diagnostics);

    if (diagnostics.length > 0 && !this.jsonEnabled()) {
      const options = { palette: terminal.noticePalette, width: terminal.width };
      terminal.notice(`${renderDiagnostics(diagnostics, texts, options)}\n`);
    }
    const findings = countDiagnostics(diagnostics);
    const inFiles = `in ${plural(files.length, 'file')}`;
    if (valid) {
      this.answer(() => {
        const verdict = `${plural(servers.length, 'server')} ${inFiles}, valid`;
        return terminal.palette.good(verdict) + (findings === '' ? '' : ` (${findings})`);
      });
    } else {
      this.answer(() => `${terminal.palette.error(findings)} ${inFiles}`);
      process.exitCode = breaksOnlyPolicy(diagnostics) ? exitCode.refused : exitCode.invalid;
    }
    return {
      valid,
      files,
      servers: servers.map(({ spec, source }) => ({ name: spec.name, file: source.file, line: source.line })),
      diagnostics,
    };
  }
}
