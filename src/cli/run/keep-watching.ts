import * as Flags from '@oclif/core/flags';
import type { InferredFlags } from '@oclif/core/interfaces';
import type { Alerts } from '../../app/alerts/watch-alerts.ts';
import type { LoopRecord, LoopStatus } from '../../app/watch/loop-record.ts';
import type { Told } from '../../app/watch/told.ts';
import { LoomsError } from '../../model/errors.ts';
import { isoTime } from '../../model/times.ts';
import { planFlags } from '../command-line/plan-request.ts';
import type { CommandContext } from '../context.ts';
import { SpecError } from '../errors.ts';
import { applyFlags, durationFlag, keepOf, specFlags } from '../flags.ts';
import { gitFlags, remoteSpecs } from '../project/remote-specs.ts';
import { choosePaths, readUsableSpecs } from '../project/specs.ts';
import { watchEvent, watchLines } from '../render/watch-lines.ts';
import { driftHook } from './drift-hook.ts';

const { prune, 'max-deletes': maxDeletes, keep } = planFlags;
const { timeout, grace } = applyFlags;

/** What a loop keeps, and how. */
export const watchFlags = {
  ...specFlags,
  ...gitFlags,
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
};

/** What those flags come to. */
type WatchFlags = InferredFlags<typeof watchFlags>;

type Watching = {
  readonly json: boolean;
  /** Where the loop notes what it does. */
  readonly record: LoopRecord;
  readonly alerts: Alerts;
  /** As `ApplyOptions` has them. */
  readonly stop: AbortSignal;
  readonly abort: AbortSignal;
  readonly atOnce: AbortSignal;
};

/** What a loop notes of itself, and how that is read. */
export async function loopRecord(
  { interval }: { readonly interval: number },
  { ports }: CommandContext,
): Promise<{ readonly record: LoopRecord; readonly status: LoopStatus }> {
  const { createLoopRecord } = await import('../../app/watch/loop-record.ts');
  return createLoopRecord(ports, interval * 1000);
}

/** Keeps a project as its specs say until `stop` aborts, and writes what it tells as it comes. Throws `usage`. */
export async function keepWatching(
  flags: WatchFlags,
  context: CommandContext,
  { json, record, alerts, stop, abort, atOnce }: Watching,
): Promise<void> {
  const { terminal, ports, project, readPolicies, requireSameEngines } = context;
  const remote = await remoteSpecs(flags, context);
  const files = remote === undefined ? await choosePaths(flags.file ?? [], context) : [];
  const { watchedFolders } = await import('../../app/plan/spec-files.ts');
  const folders = await watchedFolders(ports, files);
  const { 'on-drift': target } = flags;
  const headersOf = async (body: string) => {
    const [{ headersTo }, { receivers }] = await Promise.all([
      import('../../app/alerts/message.ts'),
      context.readAlerts(),
    ]);
    return headersTo(ports, receivers, { url: target ?? '', body, now: ports.now() });
  };
  const hook = target === undefined ? undefined : driftHook(target, { warn: ports.warn, signal: stop, headersOf });
  const tell = (told: Told): void => {
    const time = isoTime(ports.now());
    const event = watchEvent(told, time, project.name);
    const lines = json ? [event] : watchLines(told, time, terminal.palette);
    for (const line of lines) void terminal.stream(line);
    if (told.type === 'drift' || told.type === 'changing') hook?.(context.redact(event));
  };
  const read = remote?.read ?? ((now: CommandContext) => readUsableSpecs(flags, now, true));
  const { watchProject } = await import('../../app/watch/watch-project.ts');
  const over = new AbortController();
  const alerting = alerts.run(AbortSignal.any([stop, over.signal]), tell);
  const watching = watchProject(ports, {
    project: project.name,
    readPolicies: () => readPolicies().catch(withFindings),
    requireSameEngines,
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
    read: (policies) => read({ ...context, policies }).catch(withFindings),
    ...(remote === undefined ? {} : { remote: remote.source }),
    hints: (mark, signal) => ports.files.watchFolders(folders, () => mark('files'), signal),
    tell,
    record,
    stop,
    abort,
    atOnce,
  });
  await watching.finally(() => {
    over.abort();
    return alerting;
  });
}

/** What is wrong with files, in lines below the failure: a loop tells it in a log. */
function withFindings(error: unknown): never {
  if (!(error instanceof SpecError)) throw error;
  const errors = error.diagnostics.filter(({ severity }) => severity === 'error');
  const detail = errors.map(({ position: { file, line, column }, message }) => `${file}:${line}:${column} ${message}`);
  throw new LoomsError(error.code, error.message, { detail, hint: 'looms validate shows all of it' });
}
