import { asServerName, namePattern, type ProjectName } from '../../../model/ids.ts';
import { label } from '../../model/labels.ts';
import type { ServerWatch } from '../../port.ts';
import { get } from '../connection/ask.ts';
import type { Client } from '../connection/connection.ts';
import { followStream } from '../images/stream.ts';

/** After which of a container's events another one may serve, or it is not as it was; Docker's words and Podman's. Execs are events, too. */
const telling: ReadonlySet<unknown> = new Set([
  'start',
  'die',
  'died',
  'stop',
  'rename',
  'pause',
  'unpause',
  'update',
  'destroy',
  'remove',
]);

/**
 * Tells of a server when a container with its labels changes. Anybody can write labels: it says where to look, and nothing
 * more. Resolves when the engine ends it; throws `interrupted`, and what the engine throws.
 */
export async function watchServers(client: Client, project: ProjectName, hear: ServerWatch): Promise<void> {
  const filters = { type: ['container'], label: [`${label.project}=${project}`] };
  const what = 'hear of changes of containers';
  await followStream(
    client,
    what,
    get('/events', { filters }),
    (entry) => {
      const server = entry.Actor?.Attributes?.[label.server];
      if (telling.has(entry.Action) && server !== undefined && namePattern.test(server))
        hear.onChange(asServerName(server));
    },
    hear.onReady,
  );
}
