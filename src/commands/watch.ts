import * as Flags from '@oclif/core/flags';
import type { Told } from '../app/watch/told.ts';
import { BaseCommand } from '../cli/base-command.ts';
import { driftHook } from '../cli/drift-hook.ts';
import { SpecError } from '../cli/errors.ts';
import { exitCodeOfSignal } from '../cli/exit-codes.ts';
import { applyFlags, durationFlag, keepOf, placeFlags, specFlags, trustFlags } from '../cli/flags.ts';
import { planFlags } from '../cli/plan-request.ts';
import { watchEvent, watchLines } from '../cli/render/watch-lines.ts';
import { listenForSignals } from '../cli/signals.ts';
import { choosePaths, readUsableSpecs } from '../cli/specs.ts';
import { watchedFolders } from '../cli/watched-folders.ts';
import { LoomsError } from '../model/errors.ts';
import { isoTime } from '../model/times.ts';

const { prune, 'max-deletes': maxDeletes, keep } = planFlags;
const { timeout, grace } = applyFlags;

export default class Watch extends BaseCommand {
  static override summary = 'Keep the engine as the specs say, until Ctrl-C';
  static override description =
    'The plan and the run of looms apply in a loop: when a file changes, when something happens to a container, and every ' +
    '--interval in any case. Servers are asked whether they answer MCP every health_check_interval_seconds; one that does ' +
    'not run is started, one that fails three times in a row is replaced, and keeps serving until its successor answers. ' +
    'What does not last is repaired later each time, up to five minutes apart. A file that cannot be used changes nothing: ' +
    'what it said last stays in force. A server that somebody stopped with looms mcp stop stays stopped.';
  static override examples = [
    { description: 'Keep it so', command: 'looms watch -f mcp.yaml' },
    { description: 'Only say what drifts', command: 'looms watch -f specs/ --dry-run --json' },
    {
      description: 'An alarm when somebody changes something by hand',
      command: 'looms watch --dry-run --on-drift https://hooks.example.com/drift',
    },
    {
      description: 'Also remove what is not declared, two servers at most',
      command: 'looms watch -f specs/ --project team-a --prune --max-deletes 2',
    },
  ];
  static override flags = {
    ...specFlags,
    prune,
    'max-deletes': maxDeletes,
    keep,
    interval: durationFlag(1)({ description: 'look at least this often', default: 60 }),
    'on-drift': Flags.string({
      description: 'a command, or a URL, that is given what differs as JSON: on standard input, or by POST',
      helpValue: 'COMMAND|URL',
    }),
    'dry-run': Flags.boolean({ description: 'say what differs and change nothing' }),
    timeout,
    grace,
    ...placeFlags,
    ...trustFlags,
  };

  async run(): Promise<void> {
    const { flags } = await this.parse(Watch);
    const context = await this.open(flags);
    const { terminal, ports, project, policies } = context;
    const paths = await choosePaths(flags.file ?? [], context);
    const folders = await watchedFolders(paths, ports);
    const interruption = listenForSignals(flags.grace * 1000, () => {});
    const { stop, abort } = interruption;
    const hook =
      flags['on-drift'] === undefined ? undefined : driftHook(flags['on-drift'], { warn: ports.warn, signal: stop });
    const tell = (told: Told): void => {
      const time = isoTime(ports.now());
      const event = watchEvent(told, time, project.name);
      const lines = this.jsonEnabled() ? [event] : watchLines(told, time, terminal.palette);
      for (const line of lines) void terminal.stream(line);
      if (told.type === 'drift' || told.type === 'changing') hook?.(context.redact(event));
    };
    const { watchProject } = await import('../app/watch/watch-project.ts');
    await watchProject(ports, {
      project: project.name,
      policies,
      prune: {
        prune: flags.prune === true,
        allowEmpty: false,
        projectNamed: project.explicit,
        ...(flags['max-deletes'] === undefined ? {} : { maxDeletes: flags['max-deletes'] }),
      },
      keep: keepOf(flags, context),
      intervalMs: flags.interval * 1000,
      dryRun: flags['dry-run'],
      timeoutMs: flags.timeout === undefined ? undefined : flags.timeout * 1000,
      read: () => readUsableSpecs(flags, context, true).catch(withFindings),
      hints: (mark, signal) => ports.files.watchFolders(folders, () => mark('files'), signal),
      tell,
      stop,
      abort,
    });
    interruption.dispose();
    process.exitCode = exitCodeOfSignal(interruption.received());
  }
}

/** What is wrong with files, in lines below the failure: a loop tells it in a log. */
function withFindings(error: unknown): never {
  if (!(error instanceof SpecError)) throw error;
  const errors = error.diagnostics.filter(({ severity }) => severity === 'error');
  const detail = errors.map(({ position: { file, line, column }, message }) => `${file}:${line}:${column} ${message}`);
  throw new LoomsError(error.code, error.message, { detail, hint: 'looms validate shows all of it' });
}
