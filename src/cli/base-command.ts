import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Command } from '@oclif/core/command';
import { Config } from '@oclif/core/config';
import { exit } from '@oclif/core/errors';
import { isFailure } from '../model/errors.ts';
import { seenJson } from '../model/values/unseen.ts';
import type { ReportFormat } from './command-line/output-format.ts';
import { type CommandContext, type ContextFlags, openContext } from './context.ts';
import { commonFlags } from './flags.ts';
import { reportError } from './report-error.ts';
import { publishReport } from './run/publish-report.ts';
import { palette } from './terminal/palette.ts';
import { type Program, thisProgram } from './terminal/program.ts';
import type { Terminal } from './terminal/terminal.ts';

/** How a report looks where it goes to; a file also holds what is told beside an answer. */
export type Look = Pick<Terminal, 'palette' | 'width'> & { readonly inFile: boolean };

const inFile: Look = { palette: palette(false), width: 100, inFile: true };

/** A command that can be made and run. */
export type CommandClass = Pick<typeof BaseCommand, 'id' | 'args' | 'configFor'> &
  (new (
    ...given: ConstructorParameters<typeof BaseCommand>
  ) => BaseCommand);

/**
 * What all commands share. A command parses its flags, opens its context, makes one call, renders, and returns its
 * value; with `--json` the value is printed instead of the text. Failures are thrown and become text and an exit code
 * here.
 */
export abstract class BaseCommand extends Command {
  static override enableJsonFlag = true;
  static override baseFlags = commonFlags;

  #context: CommandContext | undefined;
  #program: Program | undefined;

  /** What oclif's own `run` finds out, as far as needed: that one loads all commands, themes, the user's shell. */
  static configFor(root: string): Config {
    const { name, version, oclif } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
    const { bin, topicSeparator } = oclif;
    const runHook = async () => ({ successes: [], failures: [] });
    return Object.assign(new Config({ root }), { root, name, bin, version, topicSeparator, runHook });
  }

  /** Does what its words say, for a program. */
  async start(program: Program): Promise<void> {
    this.#program = program;
    await this._run();
  }

  /** Whether it serves or watches until it is stopped, so that what it writes must hold up nothing else. */
  protected get goesOn(): boolean {
    return false;
  }

  /** Whose command it is; by way of oclif's own `run` it is this process's. */
  protected get program(): Program {
    this.#program ??= thisProgram();
    return this.#program;
  }

  /** The command's streams, ports and project; closed when the command ends, however it ends. */
  protected async open(flags: ContextFlags): Promise<CommandContext> {
    this.#context = await openContext(flags, this.program, {
      command: `looms ${(this.id ?? '').replaceAll(':', ' ')}`,
      managedBy: `looms/${this.config.version}`,
      goesOn: this.goesOn,
    });
    return this.#context;
  }

  /** Prints the answer as text; `--json` prints the returned value instead. */
  protected answer(text: () => string): void {
    if (!this.jsonEnabled() && this.#context !== undefined) this.#context.terminal.answer(text());
  }

  /**
   * Prints a report in the form of `-o`; with `--output-file` that form goes to the file, and text is printed. The page of
   * a GitHub step gets it as well. Throws `file-not-writable`.
   */
  protected async report(
    flags: { readonly output: ReportFormat; readonly 'output-file'?: string | undefined },
    { ports, terminal }: CommandContext,
    render: (as: ReportFormat, look: Look) => string,
  ): Promise<void> {
    const wanted = this.jsonEnabled() ? 'json' : flags.output;
    const file = flags['output-file'];
    const shown = file === undefined ? wanted : 'text';
    if (shown === 'json') {
      if (!this.jsonEnabled()) this.program.stdout.write(`${seenJson(this.redact(render('json', inFile)))}\n`);
    } else this.answer(() => render(shown, { ...terminal, inFile: false }));
    await publishReport(ports, {
      file,
      report: this.redact(wanted === 'json' ? seenJson(render('json', inFile)) : render(wanted, inFile)),
      summary: () => this.redact(render('markdown', inFile)),
    });
  }

  /** Prints what a server or a store answered; into a file or pipe it goes as it came, on a terminal as other text. */
  protected pass(text: () => string): void {
    const terminal = this.#context?.terminal;
    if (this.jsonEnabled() || terminal === undefined) return;
    if (terminal.answerIsTerminal) terminal.answer(text());
    else terminal.answerExactly(`${text()}\n`);
  }

  /** Says on stderr why there is no answer; `--json` has its own way to say so: an empty one. */
  protected notice(text: string): void {
    if (!this.jsonEnabled()) this.#context?.terminal.notice(text);
  }

  /** Plain JSON, the same on a terminal and in a pipe. */
  override logJson(value: unknown): void {
    this.program.stdout.write(`${seenJson(this.redact(JSON.stringify(value, null, 2)))}\n`);
  }

  /** oclif would print some errors as JSON on stdout, where a program expects the answer, and with its own codes. */
  protected override async catch(error: Error): Promise<never> {
    if ('code' in error && error.code === 'EEXIT') throw error;
    const context = this.#context;
    const isMissing = isFailure(error, 'server-not-found');
    const told =
      context === undefined || !isMissing
        ? error
        : await (await import('./run/declared-only.ts')).withDeclared(error, context);
    return exit(await reportError(told, this.program, (text) => this.redact(text)));
  }

  /** With `--json` the answer is printed after all else; what is left to do comes behind it. */
  protected override async _run<T>(): Promise<T> {
    try {
      return await super._run();
    } finally {
      await this.#context?.close();
    }
  }

  private redact(text: string): string {
    return this.#context === undefined ? text : this.#context.redact(text);
  }
}
