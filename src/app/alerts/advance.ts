import type { Alert, AlertEnd, AlertRule, FiringAlert, PendingAlert, ResolvedAlert } from '../../model/alerts.ts';
import type { ServerName } from '../../model/ids.ts';
import { defined } from '../../model/values/defined.ts';
import type { Reading } from './readings.ts';

/** How long an alert that fires has to be clear until it is over, ms. */
const clearMs = 60_000;
/** After how long without a reading what was pending begins anew, ms. */
const pendingGapMs = 60_000;

/** Whether what was pending then goes on now. What was known long after now was written before the clock was set back. */
const isRecent = (knownAt: number, now: number): boolean => Math.abs(now - knownAt) <= pendingGapMs;

/** What became of one rule for one server. */
type Seen = {
  readonly rule: Pick<AlertRule, 'text' | 'forMs'>;
  readonly server: ServerName;
  readonly reading: Reading;
};

/** An alert that is over. */
export const resolved = (alert: FiringAlert, now: number, why?: AlertEnd): ResolvedAlert => ({
  ...withoutClear(alert),
  state: 'resolved',
  resolvedAt: now,
  ...defined({ why }),
});

/**
 * One rule for one server, a look later: ok (undefined) → pending → firing → resolved, as Prometheus' `for`. What fires
 * ends when it was clear for a minute; nothing follows from what is not known. `before` has not resolved; `now` is ms since
 * 1970.
 */
export function advance(
  before: PendingAlert | FiringAlert | undefined,
  { rule, server, reading }: Seen,
  now: number,
): Alert | undefined {
  if (reading.kind === 'unknown') {
    const isOver = before?.state === 'pending' && !isRecent(before.knownAt, now);
    return isOver ? undefined : before;
  }
  const { isTrue, isClear, value } = reading;
  if (before?.state === 'firing') {
    if (!isClear) return { ...withoutClear(before), value, knownAt: now };
    const clearSince = Math.min(before.clearSince ?? now, now);
    if (now - clearSince >= clearMs) return resolved({ ...before, value, knownAt: now }, now);
    return { ...before, value, knownAt: now, clearSince };
  }
  if (!isTrue) return undefined;
  const isContinued = before !== undefined && isRecent(before.knownAt, now);
  const since = isContinued ? before.since : now;
  const known = { rule: rule.text, server, since, value, knownAt: now, told: {} };
  return now - since >= rule.forMs ? { ...known, state: 'firing', firedAt: now } : { ...known, state: 'pending' };
}

function withoutClear({ clearSince: _, ...rest }: FiringAlert): FiringAlert {
  return rest;
}
