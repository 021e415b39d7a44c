import type { DeclaredServer } from '../../../model/desired.ts';
import { assertNever } from '../../../model/errors.ts';
import type { StepId } from '../../../model/ids.ts';
import type { Operation, StepDraft } from '../../steps.ts';
import { servingAfter } from '../generations/generations.ts';
import { nothingRecorded, type Recording, recordGenerations } from '../generations/record-generations.ts';
import { markRestored, restorablePaths } from '../kept/kept-files.ts';
import { halt, startOperationFor, step, stopsIn } from '../step-builders.ts';
import type { Decision } from './decide-server.ts';
import { discard, launch, plannedContainer, rename, retireAll, type StepContext, withoutWriters } from './launch.ts';
import { replaceSteps } from './replace-steps.ts';

function createSteps(
  server: DeclaredServer,
  { generation, others }: Extract<Decision, { kind: 'create' }>,
  context: StepContext,
): StepDraft[] {
  const { name } = server.spec;
  const kept = context.keptFiles.get(name);
  const paths = restorablePaths(kept, server);
  const restores = kept !== undefined && paths.length > 0;
  const planned = plannedContainer(server, generation, context);
  const container = restores ? markRestored(planned, kept.container.id) : planned;
  const create = step(name, 'create', { op: 'create-container', container }, { after: context.prerequisites(server) });
  const target = { madeBy: create.id };
  const start: Operation = { op: 'start-container', target, name: container.name };
  const carry = restores
    ? [
        step(
          name,
          'restore',
          { op: 'carry-files', from: kept.container.id, target, name: container.name, paths },
          { after: [create.id] },
        ),
      ]
    : [];
  const ready = [create, ...carry].slice(-1).map((one) => one.id);
  const launched = launch(server, target, container.name, start, ready, context);
  const failing = [...carry.map((one) => one.id), ...launched.failing];
  return [
    create,
    ...carry,
    ...launched.steps,
    discard(server, target, container.name, failing, context),
    rename(server, target, container.name, [launched.gate], context),
    ...retireAll(server, others, [launched.gate], nothingRecorded),
  ];
}

function resumeSteps(
  server: DeclaredServer,
  decision: Extract<Decision, { kind: 'resume' }>,
  context: StepContext,
): StepDraft[] {
  const { container } = decision;
  const target = { id: container.id };
  const { halting, left } = withoutWriters(server, decision.others, context.ways(server));
  const launched = launch(server, target, container.name, startOperationFor(container), stopsIn(halting), context);
  const renamed = decision.settled ? [] : [rename(server, target, container.name, [launched.gate], context)];
  const good = renamed.length === 0 ? [launched.gate] : renamed.map((one) => one.id);
  const recording = recordOthers(server, decision, good, context);
  return [
    ...halting,
    ...launched.steps,
    ...(decision.removeOnFailure ? [discard(server, target, container.name, launched.failing, context)] : []),
    ...renamed,
    // Sessions go to the settled name first: the others are drained once this one has it.
    ...recording.steps,
    ...retireAll(server, left, good, recording),
  ];
}

const isAskedFor = ({ reasons }: Extract<Decision, { kind: 'stop' }>): boolean =>
  reasons.some(({ kind }) => kind === 'requested');

/** Beside the container that stays, what served before it may be left from a run that was killed. */
function recordOthers(
  server: DeclaredServer,
  decision: Extract<Decision, { kind: 'resume' | 'clean-up' }>,
  after: readonly StepId[],
  context: StepContext,
): Recording {
  const serving = servingAfter(server, decision, context.observed);
  return serving === undefined
    ? nothingRecorded
    : recordGenerations(server, undefined, decision.others, serving, after, context);
}

/** The engine calls that carry a decision out, each with its cause and with what it waits for. */
export function serverSteps(server: DeclaredServer, decision: Decision, context: StepContext): StepDraft[] {
  switch (decision.kind) {
    case 'unchanged':
    case 'blocked':
      return [];
    case 'create':
      return createSteps(server, decision, context);
    case 'resume':
      return resumeSteps(server, decision, context);
    case 'replace':
      return replaceSteps(server, decision, context);
    case 'stop':
      return decision.containers.flatMap((container) =>
        // Who stops a server by hand does not mean to cut off the calls that run in it.
        halt(
          server.spec.name,
          container,
          isAskedFor(decision) ? server.spec.lifecycle.drainSeconds : 0,
          container.id.slice(0, 6),
          [],
        ),
      );
    case 'clean-up': {
      const recording = recordOthers(server, decision, [], context);
      return [...recording.steps, ...retireAll(server, decision.others, [], recording)];
    }
    default:
      return assertNever(decision);
  }
}
