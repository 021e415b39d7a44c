import { assertNever } from '../../model/errors.ts';
import type { Step } from '../../model/plan.ts';
import { duration } from '../../model/times.ts';
import { displayed } from './text.ts';

/** What a step does, in a few words: `pull node:24-slim`, `wait for MCP answer`. */
export function describeStep(planned: Step): string {
  const step = displayed(planned);
  switch (step.op) {
    case 'create-network':
      return `create network ${step.network.name}`;
    case 'remove-network':
      return `remove network ${step.name}`;
    case 'pull-image':
      return `pull ${step.ref}`;
    case 'build-image':
      return `build ${step.ref}`;
    case 'create-container':
      return `create ${step.container.name}`;
    case 'carry-files':
      return `carry files over to ${step.name}`;
    case 'start-container':
      return `start ${step.name}`;
    case 'unpause-container':
      return `unpause ${step.name}`;
    case 'gate':
      return `gate: ${step.name} answers MCP within ${duration(step.timeoutSeconds * 1000)}`;
    case 'drain':
      return `drain ${step.name}, at most ${duration(step.seconds * 1000)}`;
    case 'stop-container':
      return `stop ${step.name}`;
    case 'remove-container':
      return `remove ${step.name}`;
    case 'rename-container':
      return `rename ${step.from} to ${step.to}`;
    case 'record-generation':
      return `record the generation as ${step.record}`;
    case 'remove-image':
      return `remove image ${step.ref}`;
    case 'remove-volume':
      return `remove volume ${step.name}`;
    default:
      return assertNever(step);
  }
}
