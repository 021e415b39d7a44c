import type { ServerName } from '../model/ids.ts';
import { filteredTools } from './filter.ts';
import { createLeg, type Leg, type LegHooks } from './leg/leg.ts';
import type { Answered } from './leg/line.ts';
import type { ClientRequest, Message } from './messages/protocol.ts';
import type { Upstreams } from './upstreams.ts';

/** Where a request of a client goes to. */
export type Route =
  | { readonly kind: 'ask'; readonly leg: Leg; readonly message: ClientRequest }
  /** Answered here. */
  | { readonly kind: 'here'; readonly text: string };

/** What a session shows of the servers behind it: one as it is, or all of a project as one. */
export type Face = {
  /** The answer to `initialize`. Throws what opening a server throws. */
  readonly initialize: (message: ClientRequest) => Promise<string>;
  readonly route: (message: ClientRequest) => Promise<Route>;
  readonly notify: (message: Message) => Promise<void>;
  readonly legs: () => readonly Leg[];
  /** Tells its client that a server has come or gone, where it shows all of them. */
  readonly serverChanged?: (server: ServerName) => void;
  /** Ends all legs for good: what still waits for a server opens none to it, and fails as `interrupted`. */
  readonly close: () => Promise<void>;
};

/** A server's answer to a request, as its filter lets it through. */
export const answerText = ({ method }: Message, { text, spec }: Answered): string =>
  method === 'tools/list' ? filteredTools(spec.mcp.tools, text) : text;

/** One server under its own names. */
export function oneServer(server: ServerName, upstreams: Upstreams, heard: LegHooks): Face {
  const leg = createLeg(server, upstreams, heard);
  return {
    initialize: async (message) => (await leg.initialize(message)).text,
    async route(message) {
      // Whoever pings wants to know whether the conversation goes on, as it does; no process is begun for that.
      if (message.method === 'ping' && leg.isParked()) {
        return { kind: 'here', text: JSON.stringify({ jsonrpc: '2.0', id: message.id, result: {} }) };
      }
      return { kind: 'ask', leg, message };
    },
    notify: leg.notify,
    legs: () => [leg],
    close: leg.close,
  };
}
