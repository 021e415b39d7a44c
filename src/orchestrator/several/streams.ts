import type { EngineEvent } from '../../model/engine-events.ts';
import type { ProjectName } from '../../model/ids.ts';
import type { EventQuery, Orchestrator, OrchestratorPorts, ServerWatch } from '../port.ts';
import type { CallOptions } from '../session-host.ts';
import { type Answers, type Member, type Members, requireAnswer, type Silent } from './members.ts';

/** Between two looks for an engine that does not answer, ms. */
const lookForMs = 5_000;

/** Events of all engines: those that they remember in the order of their times; with what comes, each as it is told. */
export async function eventsOf(
  members: Members,
  project: ProjectName,
  query: EventQuery,
  hear: (event: EngineEvent) => void,
  options?: CallOptions,
): Promise<void> {
  if (query.follow) {
    const followed: Stream = (orchestrator, signal) => orchestrator.events(project, query, hear, { signal });
    return untilOneEnds(members, project, followed, options?.signal);
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
  ports: Pick<OrchestratorPorts, 'pause'>,
  project: ProjectName,
  hear: ServerWatch,
  options?: CallOptions,
): Promise<void> {
  const open: Stream = (orchestrator, signal) => orchestrator.watchServers(project, hear, { signal });
  await untilOneEnds(members, project, open, options?.signal, ports.pause);
}

type Stream = (orchestrator: Orchestrator, signal: AbortSignal) => Promise<void>;

/** Whether an engine answers is asked of the project: more than that its user may not see on a cluster (docs/kubernetes.md). */
const knocking =
  (project: ProjectName, signal: AbortSignal | undefined) =>
  (orchestrator: Orchestrator): Promise<unknown> =>
    orchestrator.instances(project, { signal });

/**
 * Opens a stream on each engine as soon as that answers: one that hangs holds up no other. Ends all of them when the first that
 * was open does; with `pause` also when an engine that did not answer does again.
 */
async function untilOneEnds(
  members: Members,
  project: ProjectName,
  open: Stream,
  outer: AbortSignal | undefined,
  pause?: OrchestratorPorts['pause'],
): Promise<void> {
  const ending = new AbortController();
  const signal = outer === undefined ? ending.signal : AbortSignal.any([ending.signal, outer]);
  const streams: Promise<void>[] = [];
  const ended = Promise.withResolvers<void>();
  const openOn = async (member: Member): Promise<Answers<unknown>> => {
    const answers = await members.ask(knocking(project, signal), [member]);
    // One that answers when all have ended is opened anew, with the others.
    for (const { orchestrator } of ending.signal.aborted ? [] : answers.answered) {
      const stream = open(orchestrator, signal);
      stream.then(ended.resolve, ended.reject);
      streams.push(stream);
    }
    return answers;
  };
  const untilMoreAnswer = async (): Promise<void> => {
    const asked = await Promise.all(members.all.map(openOn));
    const silent = asked.flatMap((one) => one.silent);
    requireAnswer({ answered: asked.flatMap((one) => one.answered), silent });
    if (pause === undefined || silent.length === 0) return ended.promise;
    await untilOneAnswers(members, project, silent, pause, signal);
  };
  try {
    await Promise.race([ended.promise, untilMoreAnswer()]);
  } finally {
    ending.abort();
    await Promise.allSettled(streams);
  }
}

/** Resolves when one of these engines answers again, or the signal aborts. */
async function untilOneAnswers(
  members: Members,
  project: ProjectName,
  silent: readonly Silent[],
  pause: OrchestratorPorts['pause'],
  signal: AbortSignal,
): Promise<void> {
  const among = silent.map(({ member }) => member);
  for (;;) {
    await pause(lookForMs, signal);
    if (signal.aborted) return;
    const { answered } = await members.ask(knocking(project, signal), among);
    if (answered.length > 0) return;
  }
}
