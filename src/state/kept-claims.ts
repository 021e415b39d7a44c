import { type AlertTurn, alertEnds } from '../model/alerts.ts';
import type { EngineEvent } from '../model/engine-events.ts';
import { namePattern } from '../model/ids.ts';
import { isRecord } from '../model/values/is-record.ts';
import { parsedJson } from '../model/values/parsed-json.ts';

// What is kept is a claim of whoever can write the file: what is not sound is left out, and the rest counts.

const plainEvents: ReadonlySet<unknown> = new Set<EngineEvent['type']>([
  ...(['created', 'started', 'paused', 'unpaused', 'renamed', 'updated', 'oom', 'removed'] as const),
]);
const healths: ReadonlySet<unknown> = new Set(['starting', 'healthy', 'unhealthy']);
const ends: ReadonlySet<unknown> = new Set(alertEnds);

const isText = (value: unknown): boolean => typeof value === 'string';
const isMoment = (value: unknown): boolean => Number.isSafeInteger(value);
const isName = (value: unknown): boolean => typeof value === 'string' && namePattern.test(value);

/** The event that a kept text says; undefined where it says none. */
export function eventIn(text: unknown): EngineEvent | undefined {
  const read = parsedJson(String(text));
  return isEvent(read) ? read : undefined;
}

function isEvent(value: unknown): value is EngineEvent {
  if (!isRecord(value)) return false;
  const { key, time, server, generation, container, containerName, type, exitCode, health } = value;
  return (
    [key, container, containerName].every(isText) &&
    [time, generation].every(isMoment) &&
    isName(server) &&
    (plainEvents.has(type) || (type === 'ended' && isMoment(exitCode)) || (type === 'health' && healths.has(health)))
  );
}

/** What an alert did, as a kept text says; undefined where it says nothing of the kind. */
export function turnIn(text: unknown): AlertTurn | undefined {
  const read = parsedJson(String(text));
  return isTurn(read) ? read : undefined;
}

function isTurn(value: unknown): value is AlertTurn {
  if (!isRecord(value)) return false;
  const { rule, server, value: shown, state, time, why } = value;
  return (
    [rule, shown].every(isText) &&
    isName(server) &&
    isMoment(time) &&
    (state === 'firing' || state === 'resolved') &&
    (why === undefined || ends.has(why))
  );
}
