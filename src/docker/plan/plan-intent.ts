import { assertNever } from '../../model/errors.ts';
import type { Intent } from '../../orchestrator/port.ts';
import { planDeclared } from './plan-files.ts';
import { planPrune } from './plan-prune.ts';
import { planRecorded } from './plan-recorded.ts';
import { planRemoval } from './plan-removal.ts';
import { planRollback } from './plan-rollback.ts';
import type { DockerPrepared, Planning } from './prepare.ts';

/** `Orchestrator.plan`. */
export function planIntent(ports: Planning, intent: Intent): Promise<DockerPrepared> {
  switch (intent.kind) {
    case 'files':
      return planDeclared(ports, intent);
    case 'recorded':
      return planRecorded(ports, intent);
    case 'removal':
      return planRemoval(ports, intent);
    case 'rollback':
      return planRollback(ports, intent);
    case 'prune':
      return planPrune(ports, intent);
    default:
      return assertNever(intent);
  }
}
