import { strangersNotice } from '../model/claims.ts';
import type { DeclaredServer } from '../model/desired.ts';
import type { ServerName } from '../model/ids.ts';
import type { Observed } from '../model/observed.ts';
import type { PlanWarning } from '../model/plan.ts';

/** What a plan says beside its changes: what was not asked, is not possible, or is left. `left` are in no file. */
export function planWarnings(
  servers: readonly DeclaredServer[],
  observed: Observed,
  left: readonly ServerName[],
): PlanWarning[] {
  const strangers = strangersNotice(observed);
  const warnings: PlanWarning[] = strangers === undefined ? [] : [{ code: 'not-ours', message: strangers }];
  for (const server of servers) {
    const verdict = observed.registry[server.image.ref];
    if (verdict?.verdict === 'unknown') {
      const message = `the registry was not asked for ${server.image.ref}: ${verdict.why}; the local image is used`;
      warnings.push({ code: 'registry-unknown', server: server.spec.name, message });
    }
    const asks = server.spec.pullPolicy === 'always' || server.spec.lifecycle.rotateOnImageChange;
    if (server.image.kind === 'built' && asks) {
      const message = `no registry is asked for ${server.image.ref}, which is built here; another recipe or file makes another image`;
      warnings.push({ code: 'image-is-built', server: server.spec.name, message });
    }
    if (server.spec.network.mode === 'isolated' && !observed.engine.canHideHost) {
      const message = `${observed.engine.kind} cannot keep an isolated server from the engine's own host`;
      warnings.push({ code: 'host-reachable', server: server.spec.name, message });
    }
  }
  if (left.length > 0) {
    const message = `${left.join(', ')}: on the engine, but in none of the files; --prune removes what is not in the files`;
    warnings.push({ code: 'not-in-spec', message });
  }
  return warnings;
}
