import { SSEClientTransport, StreamableHTTPClientTransport, type Transport } from '@modelcontextprotocol/client';
import type { HttpLink, StdioLink } from '../link/link.ts';
import { settledWithin } from '../link/settled-within.ts';

/** How long the server may take to take note of the session's end, ms. */
const goodbyeMs = 1_000;

/** A link as the SDK talks over it. */
export type Connection = Pick<StdioLink, 'ending' | 'stray' | 'stderr' | 'close' | 'leave'> & {
  readonly transport: Transport;
  /** Of a process of its own. */
  readonly beside?: StdioLink['beside'];
  readonly wasRefused?: StdioLink['wasRefused'];
  /** Whether answers come on one stream each (HTTP), so that a call's arguments may be mirrored into headers. */
  readonly isHttp: boolean;
};

export function connectionOver(link: StdioLink | HttpLink): Connection {
  if (link.kind === 'stdio') return { ...link, transport: link.frames, isHttp: false };
  const { kind, url, fetch } = link;
  const transport =
    kind === 'sse' ? new SSEClientTransport(url, { fetch }) : new StreamableHTTPClientTransport(url, { fetch });
  link.onbroken = () => transport.close();
  const goodbye = async () => {
    // A call that was just cancelled has its notification still on the way.
    await settledWithin(link.notified(), goodbyeMs);
    if (transport instanceof StreamableHTTPClientTransport && link.isWhole()) {
      await settledWithin(transport.terminateSession(), goodbyeMs);
    }
    await settledWithin(transport.close(), goodbyeMs);
  };
  return {
    ...link,
    transport,
    isHttp: true,
    close: async () => goodbye().then(link.close),
    leave: async () => goodbye().then(link.leave),
  };
}
