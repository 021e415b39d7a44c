import { assertNever } from '../../model/errors.ts';
import type { Step } from '../../model/plan.ts';
import { plural, visible } from './text.ts';

/** What a step does, in a few words: `pull node:24-slim`, `wait for MCP answer`. */
export function describeStep(step: Step): string {
  switch (step.op) {
    case 'create-network':
      return `create network ${step.network.name}`;
    case 'remove-network':
      return `remove network ${visible(step.name)}`;
    case 'pull-image':
      return `pull ${step.ref}`;
    case 'build-image':
      return `build ${step.ref}`;
    case 'create-container':
      return `create ${step.container.name}`;
    case 'carry-files':
      return `carry files over to ${step.name}`;
    case 'start-container':
      return `start ${visible(step.name)}`;
    case 'unpause-container':
      return `unpause ${visible(step.name)}`;
    case 'gate':
      return `gate: ${visible(step.name)} answers MCP within ${step.timeoutSeconds} s`;
    case 'drain':
      return `drain ${visible(step.name)}, at most ${plural(step.seconds, 'second')}`;
    case 'stop-container':
      return `stop ${visible(step.name)}`;
    case 'remove-container':
      return `remove ${visible(step.name)}`;
    case 'rename-container':
      return `rename ${visible(step.from)} to ${visible(step.to)}`;
    case 'record-generation':
      return `record the generation as ${step.record}`;
    case 'remove-image':
      return `remove image ${visible(step.ref)}`;
    default:
      return assertNever(step);
  }
}
