import type { DesiredServer, Scale } from '../../model/desired.ts';
import type { Reader } from '../read/reader.ts';
import type { McpInput } from './input.ts';

/** What is usual where a spec says how many containers there are at most, and no more. */
export const usualScale: Omit<Scale, 'max'> = { min: 1, sessionsPerReplica: 8, idleSeconds: 300 };

/** How many containers of a server there are, `at` being the path of its MCP half; reports what contradicts itself. */
export function countsOf(
  reader: Reader,
  { replicas = 1, scale }: McpInput,
  at: string,
): Pick<DesiredServer, 'replicas' | 'scale'> {
  if (scale === undefined) return { replicas };
  if (reader.has(`${at}.replicas`)) {
    reader.report({
      code: 'conflict',
      path: `${at}.replicas`,
      onKey: true,
      message: 'replicas and scale contradict one another',
      hint: 'keep one of them: replicas for a fixed number, scale for one that follows the sessions',
      related: [{ path: `${at}.scale`, message: 'scale is here' }],
    });
  }
  const { min = usualScale.min, max } = scale;
  if (max !== undefined && max < min) {
    const isWritten = reader.has(`${at}.scale.min`);
    reader.report({
      code: 'conflict',
      path: `${at}.scale.max`,
      message: `max (${max}) is less than min (${min})`,
      hint: 'write max as the most containers, and min as the fewest',
      ...(isWritten ? { related: [{ path: `${at}.scale.min`, message: 'min is here' }] } : {}),
    });
  }
  return {
    replicas: 1,
    scale: {
      min,
      max: max ?? min,
      sessionsPerReplica: scale.sessions_per_replica ?? usualScale.sessionsPerReplica,
      idleSeconds: scale.idle_seconds ?? usualScale.idleSeconds,
    },
  };
}

/** A scale as a file has it, without what is usual. */
export function writtenScale({ min, max, sessionsPerReplica, idleSeconds }: Scale) {
  return {
    ...(min === usualScale.min ? {} : { min }),
    max,
    ...(sessionsPerReplica === usualScale.sessionsPerReplica ? {} : { sessions_per_replica: sessionsPerReplica }),
    ...(idleSeconds === usualScale.idleSeconds ? {} : { idle_seconds: idleSeconds }),
  };
}
