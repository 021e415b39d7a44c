import { type Channel, overFrames, overHttp } from './channel.ts';
import type { HttpLink, StdioLink } from './link.ts';
import { overSse } from './sse-channel.ts';

/** A channel over a link; `limitMs` bounds how long a server may take to say where it is reached. Throws as `overSse`. */
export async function openChannel(link: StdioLink | HttpLink, server: string, limitMs: number): Promise<Channel> {
  if (link.kind === 'stdio') return overFrames(link, server);
  return link.kind === 'sse' ? overSse(link, server, limitMs) : overHttp(link, server);
}
