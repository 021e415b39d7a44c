import type { DeclaredServer } from '../../../model/desired.ts';
import { assertNever } from '../../../model/errors.ts';
import type { ProjectName, ServerName } from '../../../model/ids.ts';
import { isNonEmpty, type PlanWarning } from '../../../model/plan.ts';
import { isSettled } from '../../model/generations.ts';
import type { ObservedContainer } from '../../model/observed.ts';
import type { Decision } from '../server/decide-server.ts';
import { stepId } from '../step-builders.ts';
import {
  type KeptFiles,
  type KeptPlan,
  keptChange,
  nothingKept,
  removeKept,
  restorablePaths,
  takenOver,
} from './kept-files.ts';

/** The container that a decision leaves serving, or that its successor gets its files from. */
function origin(decision: Decision): ObservedContainer | undefined {
  switch (decision.kind) {
    case 'unchanged':
    case 'resume':
    case 'clean-up':
      return decision.container;
    case 'replace':
      if (decision.successor.kind === 'existing') return decision.successor.container;
      // Nothing is carried over from one that the engine reports as dead.
      return decision.old.state.status === 'dead' ? undefined : decision.old;
    case 'create':
    case 'stop':
    case 'blocked':
      return undefined;
    default:
      return assertNever(decision);
  }
}

/** Which of the kept paths a server has once a decision was carried out. */
function restoredBy(decision: Decision, kept: KeptFiles, server: DeclaredServer): readonly string[] {
  if (decision.kind === 'create') return restorablePaths(kept, server);
  const from = origin(decision);
  const given = from === undefined ? [] : takenOver(from, kept.container);
  return given.filter((path) => server.spec.lifecycle.preserve.includes(path));
}

const unreadable = 'its record cannot be read, so nobody knows what to restore';

/** What happens to the kept files of a server that stays or comes; restoring it is among the server's own steps. */
export function keptBeside(
  server: DeclaredServer,
  decision: Decision,
  kept: KeptFiles | undefined,
  project: ProjectName,
): KeptPlan {
  const { name } = server.spec;
  // A server that is disabled has no container yet, and one that is blocked gets none now: its data waits.
  if (kept === undefined || !server.spec.enabled || decision.kind === 'blocked') return nothingKept;
  const { container, paths, standing } = kept;
  if (standing !== 'needed') {
    const changes = [keptChange(container, 'remove', 'not-in-spec')];
    // Until a container has the server's name, the copy tells which one has the files.
    const after = isNameless(decision, project, name) ? [stepId(name, 'rename')] : [];
    return { ...nothingKept, changes, steps: removeKept(name, kept, after) };
  }
  if (!isNonEmpty(paths)) return { ...nothingKept, warnings: [notRestored(name, kept, 'what was kept', unreadable)] };
  const restored = restoredBy(decision, kept, server);
  const left = paths.filter((path) => !restored.includes(path));
  if (left.length === 0) {
    // Only once the new one serves: a run that ends before that begins again with all of it.
    const changes = [keptChange(container, 'restore', 'missing')];
    return { ...nothingKept, changes, steps: removeKept(name, kept, [stepId(name, 'rename')]) };
  }
  const isGiven = decision.kind === 'create' && restored.length > 0;
  const changes = isGiven ? [keptChange(container, 'restore', 'missing')] : [];
  const why = 'a server gets back what its lifecycle.preserve names, when it is created';
  return { ...nothingKept, changes, warnings: [notRestored(name, kept, left.join(', '), why)] };
}

/** Whether none of a server's containers has its name until the decision is carried out. */
const isNameless = (decision: Decision, project: ProjectName, server: ServerName): boolean =>
  (decision.kind === 'resume' && !decision.settled) ||
  (decision.kind === 'replace' && !isSettled(project, server)(decision.old));

function notRestored(server: ServerName, { container }: KeptFiles, what: string, why: string): PlanWarning {
  const { name } = container;
  return {
    code: 'data-not-restored',
    server,
    message: `${what} of an earlier ${server} is not restored and stays in ${name}: ${why}; \`docker cp\` gets it out, \`docker rm ${name}\` gives it up`,
  };
}
