import type { DeclaredServer } from '../../../model/desired.ts';
import type { StepId } from '../../../model/ids.ts';
import { isSettled, isUp } from '../../model/generations.ts';
import { generationName } from '../../model/labels.ts';
import type { Operation, StepDraft, Target } from '../../steps.ts';
import { servingAfter } from '../generations/generations.ts';
import { nothingRecorded, recordFailed, recordGenerations } from '../generations/record-generations.ts';
import { inheritedFrom, markRestored } from '../kept/kept-files.ts';
import { halt, halted, on, retire, startOperationFor, step, stepId, stopsIn } from '../step-builders.ts';
import type { Decision } from './decide-server.ts';
import { discard, launch, plannedContainer, rename, retireAll, type StepContext, withoutWriters } from './launch.ts';
import { canRunBeside } from './replace-order.ts';

/** The steps that put a successor in the place of a container, in the order that the decision names. */
export function replaceSteps(
  server: DeclaredServer,
  decision: Extract<Decision, { kind: 'replace' }>,
  context: StepContext,
): StepDraft[] {
  const { old, successor, order, others } = decision;
  const { name, lifecycle } = server.spec;
  const stopFirst = order.order === 'stop-first';
  const { preserve } = lifecycle;
  const carries = successor.kind === 'new' && preserve.length > 0 && old.state.status !== 'dead';
  const planned = (generation: number) => plannedContainer(server, generation, context);
  const inherited = carries ? inheritedFrom(old, context.keptFiles.get(name), server) : undefined;
  const made =
    successor.kind === 'new'
      ? [
          step(
            name,
            'create',
            { op: 'create-container', container: markRestored(planned(successor.generation), inherited) },
            { after: context.prerequisites(server) },
          ),
        ]
      : [];
  const target: Target = successor.kind === 'new' ? { madeBy: stepId(name, 'create') } : { id: successor.container.id };
  const newName =
    successor.kind === 'new' ? generationName(context.project, name, successor.generation) : successor.container.name;

  const ready = made.map((one) => one.id);
  // Without these the new one cannot pass its gate, so nothing is stopped for it.
  const readyToStop = [...ready, ...context.ways(server)];
  const { halting, left } = withoutWriters(server, others, readyToStop);
  const stopping = drainedFirst([
    ...(stopFirst ? halt(name, old, lifecycle.drainSeconds, 'old', readyToStop) : []),
    ...halting,
  ]);
  const quiet = stopping.length > 0 ? stopsIn(stopping) : ready;
  const carry: StepDraft[] = carries
    ? [
        step(
          name,
          'carry',
          { op: 'carry-files', from: old.id, target, name: newName, paths: preserve },
          { after: quiet },
        ),
      ]
    : [];
  const startAfter = carries ? carry.map((one) => one.id) : quiet;
  const startOperation: Operation | undefined =
    successor.kind === 'new'
      ? { op: 'start-container', target, name: newName }
      : startOperationFor(successor.container);
  const launched = launch(server, target, newName, startOperation, startAfter, context);
  // Whatever keeps the new one from its gate is answered alike, also what comes before its start.
  const afterStops = [...stopsIn(stopping), ...carry.map((one) => one.id), ...launched.failing];
  const failing = [...stopping.filter(({ op }) => op === 'drain').map((one) => one.id), ...afterStops];
  const generation = successor.kind === 'new' ? successor.generation : successor.container.generation;
  // What ended before its start says nothing about the generation.
  const failed = recordFailed(server, target, newName, generation, launched.failing, context);
  const discarded = discard(server, target, newName, failing, context, failed);
  // An interrupted run can have stopped the old one for this successor, too. Beside one that would write with it, it stays so.
  const wasStopped = stopFirst || (successor.kind === 'existing' && !isUp(old));
  const servesAgain = wasStopped && (isUp(old) || canRunBeside(old, left));
  // One that never ran may be unfinished, and would count as past if it were started now. Where a drain failed, all runs on.
  const wayBack =
    servesAgain && old.state.status !== 'dead' && old.state.status !== 'created'
      ? [step(name, 'start:old', on('start-container', old), { after: [discarded.id], onFailureOf: afterStops })]
      : [];

  // Kept after it failed its gate, and with files of then: of no use to anyone, so it goes at once.
  const useless = others.filter(
    (one) =>
      carries && isSettled(context.project, server.spec.name)(old) && one.generation > old.generation && !isUp(one),
  );
  const serving = servingAfter(server, decision, context.observed);
  const recording =
    serving === undefined
      ? nothingRecorded
      : recordGenerations(server, old, others, serving, [stepId(name, 'rename')], context);
  const leaving = stopFirst ? halted(old) : old;
  const handOver = handOverName(
    server,
    target,
    newName,
    { ...decision, old: leaving },
    context,
    [launched.gate],
    recording.before(old.id),
  );
  return [
    ...made,
    ...stopping,
    ...carry,
    ...launched.steps,
    ...failed,
    discarded,
    ...wayBack,
    ...recording.steps,
    ...handOver,
    ...retireAll(server, useless, [], nothingRecorded),
    ...retireAll(
      server,
      left.filter((one) => !useless.includes(one)),
      [launched.gate],
      recording,
    ),
  ];
}

/** Stops none before all were drained, so that all run on where a drain fails. */
function drainedFirst(halting: readonly StepDraft[]): readonly StepDraft[] {
  const drains = halting.filter(({ op }) => op === 'drain').map(({ id }) => id);
  return halting.map((one) => (one.op === 'stop-container' && drains.length > 0 ? { ...one, after: drains } : one));
}

/**
 * The end of a replacement: the new one gets the server's name, and only then the old one is drained and removed. Who
 * opens a session looks for that name, so a server in steady use would else never be without sessions on the old one,
 * and the last of them would be cut off. And whoever would make another generation, from a list that is out of date,
 * cannot have the name any more: the one with the server's files stays the settled one.
 */
function handOverName(
  server: DeclaredServer,
  target: Target,
  newName: string,
  { old, retiringName, order }: Extract<Decision, { kind: 'replace' }>,
  context: StepContext,
  after: readonly StepId[],
  recorded: readonly StepId[],
): StepDraft[] {
  const { name, lifecycle } = server.spec;
  const wasSettled = isSettled(context.project, server.spec.name)(old);
  const yielded = wasSettled
    ? [
        step(
          name,
          'rename:old',
          { op: 'rename-container', target: { id: old.id }, from: old.name, to: retiringName },
          { after },
        ),
      ]
    : [];
  const taken = rename(server, target, newName, wasSettled ? yielded.map((one) => one.id) : after, context);
  const leaving = wasSettled ? { ...old, name: retiringName } : old;
  // The old one was stopped for this: with a first Ctrl-C in between, none would serve.
  const named = [...yielded, taken].map(
    (one): StepDraft => (order.order === 'stop-first' ? { ...one, completes: true } : one),
  );
  return [...named, ...retire(name, leaving, lifecycle.drainSeconds, 'old', [taken.id], recorded)];
}
