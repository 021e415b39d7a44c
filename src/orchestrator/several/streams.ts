import type { EngineEvent } from '../../model/engine-events.ts';
import type { ProjectName } from '../../model/ids.ts';
import type { EventQuery, OrchestratorPorts, ServerWatch } from '../port.ts';
import type { CallOptions } from '../session-host.ts';
import { type Members, requireAnswer, type Silent } from './members.ts';

/** Between two looks for an engine that does not answer, ms. */
const lookForMs = 5_000;

/** Events of all engines: those that they remember in the order of their times, then what comes. */
export async function eventsOf(
  members: Members,
  project: ProjectName,
  query: EventQuery,
  hear: (event: EngineEvent) => void,
  options?: CallOptions,
): Promise<void> {
  if (query.follow) {
    requireAnswer(await members.ask((orchestrator) => orchestrator.events(project, query, hear, options)));
    return;
  }
  const answers = await members.ask(async (orchestrator) => {
    const events: EngineEvent[] = [];
    await orchestrator.events(project, query, (event) => events.push(event), options);
    return events;
  });
  requireAnswer(answers);
  for (const event of answers.answered.flatMap(({ value }) => value).toSorted((a, b) => a.time - b.time)) hear(event);
}

/**
 * Tells of servers of all engines that answer. Ends when one of the streams does, and when an engine that did not answer
 * does again: whoever hears of it begins anew, with all of them. Throws what ended it.
 */
export async function watchAll(
  members: Members,
  { pause }: Pick<OrchestratorPorts, 'pause'>,
  project: ProjectName,
  hear: ServerWatch,
  options?: CallOptions,
): Promise<void> {
  const { answered, silent } = await members.ask((orchestrator) => orchestrator.describe(options));
  requireAnswer({ answered, silent });
  const ending = new AbortController();
  const signal = options?.signal === undefined ? ending.signal : AbortSignal.any([ending.signal, options.signal]);
  let opening = answered.length;
  const onReady = (): void => {
    opening -= 1;
    if (opening === 0) hear.onReady();
  };
  const streams = answered.map(({ orchestrator }) =>
    orchestrator.watchServers(project, { ...hear, onReady }, { signal }),
  );
  const all = [...streams, ...(silent.length === 0 ? [] : [awaken(members, silent, pause, signal)])];
  try {
    await Promise.race(all);
  } finally {
    ending.abort();
    await Promise.allSettled(all);
  }
}

/** Resolves when one of these engines answers again, or the signal aborts. */
async function awaken(
  members: Members,
  silent: readonly Silent[],
  pause: OrchestratorPorts['pause'],
  signal: AbortSignal,
): Promise<void> {
  const among = silent.map(({ member }) => member);
  for (;;) {
    await pause(lookForMs, signal);
    if (signal.aborted) return;
    const { answered } = await members.ask((orchestrator) => orchestrator.describe({ signal }), among);
    if (answered.length > 0) return;
  }
}
