import type { PageState } from '../../model/page/state.ts';
import type { Grant } from '../access/guard.ts';
import { hasRight, rightsOf } from './rights.ts';
import type { PageLook } from './source.ts';

/** How everything is to somebody: of servers that they may not see, nothing is told. */
export function stateFor(look: PageLook, grant: Pick<Grant, 'kind' | 'name' | 'scopes'>): PageState {
  const sees = (server: string): boolean => hasRight(grant, 'page', server);
  const seesAll = hasRight(grant, 'page');
  return {
    ...look,
    principal: grant.name,
    may: { ...rightsOf(grant), approve: seesAll && hasRight(grant, 'operate') },
    alerts: look.alerts.filter(({ server }) => server === null || sees(server)),
    servers: look.servers
      .filter(({ name }) => sees(name))
      .map((server) => ({ ...server, may: rightsOf(grant, server.name) })),
    plan:
      seesAll || look.plan.kind === 'unknown'
        ? look.plan
        : { kind: 'unknown', why: 'it may be about servers that you may not see' },
    tools: look.tools.filter(({ server }) => sees(server)),
  };
}
