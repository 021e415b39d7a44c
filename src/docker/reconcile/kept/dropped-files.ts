import type { ServerName } from '../../../model/ids.ts';
import type { PlanWarning } from '../../../model/plan.ts';
import type { ObservedContainer } from '../../model/observed.ts';
import type { Decision } from '../server/decide-server.ts';
import { preservedBy } from './kept-files.ts';

const warning = (server: ServerName, paths: readonly string[], why: string): PlanWarning[] =>
  paths.length === 0
    ? []
    : [{ code: 'files-dropped', server, message: `files at ${paths.join(', ')} go with the container: ${why}` }];

/** What a replacement leaves behind of the files that were preserved until now. */
export const droppedByReplacement = (
  server: ServerName,
  decision: Decision,
  preserve: readonly string[],
): readonly PlanWarning[] =>
  decision.kind === 'replace'
    ? warning(
        server,
        preservedBy(decision.old).filter((path) => !preserve.includes(path)),
        'its spec does not preserve them any more',
      )
    : [];

/** What a removal that keeps nothing takes away of the files that a server preserves. */
export const droppedByRemoval = (
  server: ServerName,
  containers: readonly ObservedContainer[],
): readonly PlanWarning[] =>
  warning(
    server,
    [...new Set(containers.filter(({ state }) => state.status !== 'created').flatMap(preservedBy))].sort(),
    `\`looms delete ${server} --preserve-data\` keeps them for the next ${server}`,
  );
