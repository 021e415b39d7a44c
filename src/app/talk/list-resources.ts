import type { ResourceList } from '../../mcp/client/session.ts';
import type { Ports } from '../ports.ts';
import { type OfServer, onServer, type TalkOptions } from './open-server.ts';

export type { ResourceList } from '../../mcp/client/session.ts';

/** The resources of a running server and the templates of more, all pages. Throws what `openServer` throws. */
export async function listResources(ports: Ports, request: OfServer, options: TalkOptions = {}): Promise<ResourceList> {
  return onServer(ports, request, options, ({ session }) => session.listResources(options));
}
