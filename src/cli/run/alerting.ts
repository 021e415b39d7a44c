import type { Alerts } from '../../app/alerts/watch-alerts.ts';
import type { Sampler } from '../../app/measure/sampler.ts';
import type { LoopStatus } from '../../app/watch/loop-record.ts';
import type { CommandContext } from '../context.ts';
import { postJson } from './post-json.ts';

/** The alerts of a command's project, while a loop of the same program runs. */
export async function alerting(
  { ports, project, readAlerts }: CommandContext,
  { sampler, status }: { readonly sampler: Sampler; readonly status: LoopStatus },
): Promise<Alerts> {
  const { createAlerts } = await import('../../app/alerts/watch-alerts.ts');
  return createAlerts(ports, {
    project: project.name,
    sampler,
    servers: status.servers,
    settings: readAlerts,
    post: postJson,
  });
}
