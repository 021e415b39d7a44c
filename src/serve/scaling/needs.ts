/** From a moment on so many containers are needed, until the next such entry. Oldest first. */
export type Needs = readonly { readonly at: number; readonly need: number }[];

/** How many containers so many sessions need, before the bounds of their server. */
export const needOf = (sessions: number, sessionsPerReplica: number): number =>
  Math.ceil(sessions / sessionsPerReplica);

/** With what is needed from now on; what was needed before the time that is looked back at is forgotten. */
export function noted(needs: Needs, at: number, need: number, lookBackMs: number): Needs {
  const known = needs.at(-1)?.need === need ? needs : [...needs, { at, need }];
  // The last one before that time was needed when it began.
  const first = known.findLastIndex((one) => one.at <= at - lookBackMs);
  return first <= 0 ? known : known.slice(first);
}

/**
 * The most that was needed at any moment of the time that is looked back at, as a HorizontalPodAutoscaler's stabilization
 * window has it; undefined where less than that is known.
 */
export function mostNeeded(needs: Needs, now: number, lookBackMs: number): number | undefined {
  const [first] = needs;
  if (first === undefined || first.at > now - lookBackMs) return undefined;
  const last = needs.findLastIndex((one) => one.at <= now - lookBackMs);
  return Math.max(...needs.slice(last).map(({ need }) => need));
}
