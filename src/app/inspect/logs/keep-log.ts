import { LoomsError } from '../../../model/errors.ts';
import { messageOf } from '../../../model/failure.ts';
import type { HealthPlace } from '../../../model/health.ts';
import type { CountedLine } from '../../../model/trail/kept-logs.ts';
import type { LoggedServer } from '../../../orchestrator/port.ts';
import type { SessionHost } from '../../../orchestrator/session-host.ts';
import type { Ports } from '../../ports.ts';
import { unknownSecrets } from '../../talk/know-secrets.ts';

/** How long reading a log may take, ms: what waits for it is a removal. */
const readLimitMs = 10_000;
/** Lines that are written at once, and characters: one line may be a mebibyte, and what is held of a log is in memory. */
const batchLines = 2_000;
const batchLength = 1_000_000;

/**
 * Keeps what is not kept yet of a container's log on this machine, with secrets masked; one whose secrets cannot be
 * looked up, or have another value by now than it was given, is not kept. Returns why it could not be kept, for people. Never throws.
 */
export async function keepLog(
  ports: Pick<Ports, 'keptLogs' | 'mask' | 'secrets' | 'trust' | 'secretPrints'>,
  sessions: Pick<SessionHost, 'readLog'>,
  at: HealthPlace,
  of: LoggedServer,
  signal?: AbortSignal,
): Promise<string | undefined> {
  const failed = (why: string): string => `the log of generation ${of.generation} was not kept: ${why}`;
  const tooLate = AbortSignal.timeout(readLimitMs);
  const bound = signal === undefined ? tooLate : AbortSignal.any([signal, tooLate]);
  let secretsKnown = false;
  const keep = async (lines: readonly CountedLine[]): Promise<string | undefined> => {
    if (!secretsKnown) {
      if (of.spec === undefined) return failed('its record cannot be read, so what is secret in it is not known');
      const { spec, foreignRecord, secretPrints } = of;
      const [unknown] = await unknownSecrets(ports, spec, { project: at.project, foreignRecord, secretPrints });
      if (unknown !== undefined) return failed(`${unknown}, so it could not be masked`);
      secretsKnown = true;
    }
    await ports.keptLogs.keep(
      at,
      of,
      lines.map((line) => ({ ...line, text: ports.mask(line.text) })),
    );
    return undefined;
  };
  try {
    const since = { at: await ports.keptLogs.keptUntil(of.container) };
    const query = { streams: ['stdout', 'stderr'], since, follow: false } as const;
    const counts = new Map<number, number>();
    let lines: CountedLine[] = [];
    let length = 0;
    for await (const line of sessions.readLog(of.container, query, { signal: bound })) {
      const n = counts.get(line.time) ?? 0;
      counts.set(line.time, n + 1);
      lines.push({ ...line, n });
      length += line.text.length;
      if (lines.length < batchLines && length < batchLength) continue;
      const problem = await keep(lines);
      if (problem !== undefined) return problem;
      lines = [];
      length = 0;
    }
    return lines.length === 0 ? undefined : await keep(lines);
  } catch (error) {
    if (tooLate.aborted) return failed(`reading it took more than ${readLimitMs / 1000}s`);
    // Gone, or about to be (a conflict): whoever removes it keeps its log. Given up by whoever asked, or where the engine
    // keeps no log that can be read, there is nothing to keep.
    const nothing = ['engine-not-found', 'engine-conflict', 'engine-unsupported', 'interrupted'];
    if (error instanceof LoomsError && nothing.includes(error.code)) return undefined;
    return failed(messageOf(error));
  }
}
