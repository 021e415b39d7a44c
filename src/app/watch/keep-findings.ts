import type { HealthFinding } from '../../model/health.ts';
import type { ProjectName, ServerName } from '../../model/ids.ts';
import type { Ports } from '../ports.ts';

/** How long what is no news waits, ms: each write opens the ledger, which took a sixth of the CPU of an idle loop. */
const keepAfterMs = 30_000;

/** What a loop finds out about servers, for whoever reads `looms mcp list`: news is kept at once, the rest a few together. */
export function keepFindings(
  ports: Pick<Ports, 'orchestrator' | 'recordHealth'>,
  project: ProjectName,
): { readonly add: (findings: readonly HealthFinding[]) => Promise<void>; readonly write: () => Promise<void> } {
  const waiting = new Map<ServerName, HealthFinding>();
  const known = new Map<ServerName, string>();
  let timer: NodeJS.Timeout | undefined;

  const writeLater = (): void => {
    timer ??= setTimeout(write, keepAfterMs);
    timer.unref();
  };
  const write = async (): Promise<void> => {
    clearTimeout(timer);
    timer = undefined;
    if (waiting.size === 0) return;
    const findings = [...waiting.values()];
    waiting.clear();
    const isKept = async (): Promise<boolean> => {
      const { id: engine } = await (await ports.orchestrator()).describe();
      return (await ports.recordHealth({ engine, project }, findings)).recorded;
    };
    if (await isKept().catch(() => false)) return;
    for (const finding of findings) if (!waiting.has(finding.server)) waiting.set(finding.server, finding);
    writeLater();
  };
  return {
    async add(findings) {
      let isNews = false;
      for (const finding of findings) {
        const about = `${finding.verdict} ${finding.container} ${finding.run}`;
        isNews ||= known.get(finding.server) !== about;
        known.set(finding.server, about);
        waiting.set(finding.server, finding);
      }
      if (isNews) await write();
      else if (waiting.size > 0) writeLater();
    },
    write,
  };
}
