import { BaseCommand } from '../cli/base-command.ts';
import type { ReportFormat } from '../cli/command-line/output-format.ts';
import { exitCode } from '../cli/exit-codes.ts';
import { reportFlags, specFlags } from '../cli/flags.ts';
import { breaksOnlyPolicy, readSpecs } from '../cli/project/specs.ts';
import { countDiagnostics, renderDiagnostics } from '../cli/render/diagnostics/diagnostics.ts';
import { renderFindingsAs } from '../cli/render/diagnostics/diagnostics-formats.ts';
import { command } from '../cli/render/diagnostics/github-commands.ts';
import { checkoutPaths, diagnosticsIn } from '../cli/run/publish-report.ts';
import { type Palette, palette } from '../cli/terminal/palette.ts';
import { type Diagnostic, hasErrors } from '../model/diagnostics.ts';
import { plural } from '../model/values/words.ts';

export type ValidateResult = {
  readonly valid: boolean;
  readonly files: readonly string[];
  readonly servers: readonly { readonly name: string; readonly file: string; readonly line: number }[];
  readonly diagnostics: readonly Diagnostic[];
};

const plain = palette(false);

export default class Validate extends BaseCommand {
  static override summary = 'Check specs and show everything that is wrong with them';
  static override description =
    'Reads all files, checks every document and shows all findings at once, each with the line it is about. Talks to ' +
    'no engine. Exits 0 when the specs can be used, 65 when not, and 8 when only a policy forbids them.';
  static override examples = [
    { description: 'The specs of looms.yaml, or mcp.yaml', command: 'looms validate' },
    {
      description: 'A folder, with warnings about credentials as errors',
      command: 'looms validate -f specs/ --strict',
    },
    {
      description: 'For a code-scanning page, and text in the log',
      command: 'looms validate -f specs/ -o sarif --output-file looms.sarif',
    },
    { description: 'What another program writes', command: 'generate-spec | looms validate -f - --json' },
  ];
  static override flags = { ...specFlags, ...reportFlags };

  async run(): Promise<ValidateResult> {
    const { flags } = await this.parse(Validate);
    const context = await this.open(flags);
    const { terminal } = context;
    const { servers, diagnostics, texts, files } = await readSpecs(flags, context);
    const valid = !hasErrors(diagnostics);

    if (diagnostics.length > 0 && isShown(flags) && !this.jsonEnabled()) {
      const options = { palette: terminal.noticePalette, width: terminal.width };
      terminal.notice(`${renderDiagnostics(diagnostics, texts, options)}\n`);
    }
    const value = {
      valid,
      files,
      servers: servers.map(({ spec, source }) => ({ name: spec.name, file: source.file, line: source.line })),
      diagnostics,
    };
    const summary = ({ good, error }: Palette): string => {
      const findings = countDiagnostics(diagnostics);
      const inFiles = `in ${plural(files.length, 'file')}`;
      if (!valid) return `${error(findings)} ${inFiles}`;
      const sound = good(`${plural(servers.length, 'server')} ${inFiles}, valid`);
      return findings === '' ? sound : `${sound} (${findings})`;
    };
    const named = diagnosticsIn(diagnostics, checkoutPaths(context.ports));
    await this.report(flags, context, (as, look) => {
      if (as === 'json') return JSON.stringify(value, null, 2);
      if (as === 'text') {
        const frames = look.inFile ? renderDiagnostics(diagnostics, texts, look) : '';
        return [frames, summary(look.palette)].filter(Boolean).join('\n\n');
      }
      const report = renderFindingsAs(as, named);
      // GitHub shows nothing at all where nothing was found, as if nothing had been looked at.
      return as === 'github'
        ? [report, command('notice', { title: 'looms' }, summary(plain))].filter(Boolean).join('\n')
        : report;
    });
    if (!valid) process.exitCode = breaksOnlyPolicy(diagnostics) ? exitCode.refused : exitCode.invalid;
    return value;
  }
}

/** Whether findings are shown as text, with their code frames: what is asked for in another form goes to stdout in that. */
const isShown = (flags: { readonly output: ReportFormat; readonly 'output-file'?: string | undefined }): boolean =>
  flags.output === 'text' || flags['output-file'] !== undefined;
