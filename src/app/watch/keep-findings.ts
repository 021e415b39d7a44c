import type { HealthFinding } from '../../model/health.ts';
import type { ProjectName, ServerName } from '../../model/ids.ts';
import { findingOf } from '../inspect/check-health.ts';
import type { Ports } from '../ports.ts';

/** How often that a server is as it was is kept, ms: each write opens the ledger, which took a sixth of the CPU of an idle loop. */
const keepEveryMs = 30_000;

type Look = Parameters<typeof findingOf>[0];

/** What a loop finds out about servers, for whoever reads `looms get`: what is news at once, what is not a few together. */
export function keepFindings(
  ports: Pick<Ports, 'orchestrator' | 'recordHealth' | 'monotonicMs'>,
  project: ProjectName,
): { readonly add: (look: Look) => Promise<void>; readonly write: () => Promise<void> } {
  const waiting = new Map<ServerName, HealthFinding>();
  const known = new Map<ServerName, string>();
  let writtenAt = Number.NEGATIVE_INFINITY;

  const write = async (): Promise<void> => {
    if (waiting.size === 0) return;
    const findings = [...waiting.values()];
    waiting.clear();
    writtenAt = ports.monotonicMs();
    try {
      const { id: engine } = await (await ports.orchestrator()).describe();
      await ports.recordHealth({ engine, project }, findings);
    } catch {
      // The finding itself matters more than its record.
    }
  };
  return {
    async add(look) {
      let isNews = false;
      for (const finding of findingOf(look)) {
        const { server, verdict, container, run } = finding;
        const about = `${verdict} ${container} ${run}`;
        isNews ||= known.get(server) !== about;
        known.set(server, about);
        waiting.set(server, finding);
      }
      if (isNews || ports.monotonicMs() - writtenAt >= keepEveryMs) await write();
    },
    write,
  };
}
