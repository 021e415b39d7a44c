import type { ContainerId, ServerName } from '../../model/ids.ts';
import { isRecord } from '../../model/values/is-record.ts';
import type { Leg } from '../leg/leg.ts';
import { ownPages } from './pages.ts';
import { type Declared, type ParamHeader, rememberHeaders } from './param-headers.ts';
import { envelopeKeys, modernRevision } from './protocol.ts';

/** What the servers of a gateway want to have in headers. */
export type DeclaredHeaders = {
  /** Takes what a server lists. */
  readonly saw: (server: ServerName, container: ContainerId, tools: unknown) => void;
  /**
   * The headers for a call of a tool, by its arguments; its tools are asked for where it is none that was seen, as the
   * stateless revisions ask or in the words of a session.
   */
  readonly of: (leg: Leg, tool: string, words?: 'stateless' | 'session') => Promise<readonly ParamHeader[]>;
};

export function createDeclaredHeaders(): DeclaredHeaders {
  const known = new Map<ServerName, { readonly container: ContainerId; readonly declared: Declared }>();
  const declaredBy = (server: ServerName, container: ContainerId): Declared => {
    const before = known.get(server);
    if (before?.container === container) return before.declared;
    const declared: Declared = new Map();
    known.set(server, { container, declared });
    return declared;
  };
  const saw: DeclaredHeaders['saw'] = (server, container, tools) => {
    rememberHeaders(tools, declaredBy(server, container));
  };
  const stateless = {
    meta: { [envelopeKeys.revision]: modernRevision, [envelopeKeys.capabilities]: {} },
    headers: { 'mcp-protocol-version': modernRevision, 'mcp-method': 'tools/list' },
  };
  const ask = async (leg: Leg, container: ContainerId, said: typeof stateless | undefined): Promise<void> => {
    for await (const { message } of ownPages(leg, 'tools/list', said)) {
      if (!isRecord(message.result)) return;
      saw(leg.server, container, message.result.tools);
    }
  };
  return {
    saw,
    async of(leg, tool, words = 'stateless') {
      const { container } = await leg.ready();
      const said = words === 'session' ? undefined : stateless;
      if (!declaredBy(leg.server, container).has(tool)) await ask(leg, container, said);
      return declaredBy(leg.server, container).get(tool) ?? [];
    },
  };
}
