import type { PageRights } from '../../model/page/state.ts';
import { isMeant } from '../../model/values/scopes.ts';
import type { Grant } from '../access/guard.ts';

/** What of the page somebody may use. */
export type Right = 'page' | 'logs' | 'audit' | 'operate';

/** The word before the colon of scopes that are about the gateway's own, and about no server. */
const own = 'looms:';

/**
 * Whether somebody has a right, on one server or, where none is named, in the whole project. A scope that grants a right
 * says `looms` in full: `looms:operate`, or `looms:operate/NAME` for one server. The scope `*:*` grants none, as tokens for
 * all tools were made before there was anything to operate. The token of a token file, which clients have in their settings,
 * reads all and operates nothing; whoever has the socket, or a code that was asked for over the socket, may do all.
 */
export function hasRight({ kind, scopes }: Pick<Grant, 'kind' | 'scopes'>, right: Right, server?: string): boolean {
  if (scopes === 'all') return kind === 'local' || right !== 'operate';
  return scopes.some((scope) => {
    if (!scope.startsWith(own)) return false;
    const pattern = scope.slice(own.length);
    return isMeant(pattern, right) || (server !== undefined && isMeant(pattern, `${right}/${server}`));
  });
}

/** Whether somebody may see the page at all: of the project, or of any server. */
export const seesPage = ({ kind, scopes }: Pick<Grant, 'kind' | 'scopes'>): boolean =>
  hasRight({ kind, scopes }, 'page') ||
  (scopes !== 'all' && scopes.some((scope) => /^looms:(?:page|\*)\/./.test(scope)));

/** What somebody may do with one server, or where none is named with all of them. */
export const rightsOf = (grant: Pick<Grant, 'kind' | 'scopes'>, server?: string): PageRights => ({
  logs: hasRight(grant, 'logs', server),
  audit: hasRight(grant, 'audit', server),
  operate: hasRight(grant, 'operate', server),
});
