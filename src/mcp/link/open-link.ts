import type { Dialers } from '../../docker/engine/exec/relay-dial.ts';
import { LoomsError } from '../../model/errors.ts';
import { duration } from '../../model/times.ts';
import type { linkHttp } from './http-link.ts';
import type { HttpLink, LinkOptions, LinkTarget, StdioLink } from './link.ts';
import { linkStdio } from './stdio-link.ts';

/** Who gives up early, and the bound of connecting as a message names it, ms. */
type LinkBounds = { readonly signal: AbortSignal | undefined; readonly limitMs: number };

/** Opens links. Throws `interrupted`, `handshake-timeout` for an engine that takes too long, and what the engine throws. */
export type LinkSource = (
  target: LinkTarget,
  options: LinkOptions,
  bounds: LinkBounds,
) => Promise<StdioLink | HttpLink>;

/** What reaches HTTP servers, loaded for the first of them. */
type Http = { readonly linkHttp: typeof linkHttp; readonly dialers: Dialers };

/** A source of links: one exec each for stdio servers; those to one HTTP server share one process in the relay. */
export function createLinkSource(): LinkSource {
  let dialers: Dialers | undefined;
  const http = async (): Promise<Http> => {
    const [{ linkHttp }, { createDialers }] = await Promise.all([
      import('./http-link.ts'),
      import('../../docker/engine/exec/relay-dial.ts'),
    ]);
    dialers ??= createDialers();
    return { linkHttp, dialers };
  };
  return async (target, options, { signal, limitMs }) => {
    const { transport } = target.spec.mcp;
    if (transport.kind !== 'stdio') {
      const { linkHttp, dialers } = await http();
      return linkHttp(target, transport, options, dialers);
    }
    try {
      return await linkStdio(target, options);
    } catch (error) {
      if (!options.signal.aborted) throw error;
      const interrupted = signal?.aborted === true;
      throw new LoomsError(
        interrupted ? 'interrupted' : 'handshake-timeout',
        interrupted
          ? `stopped connecting to ${target.spec.name}`
          : `the engine did not start a session of ${target.spec.name} within ${duration(limitMs)}`,
        { cause: error },
      );
    }
  };
}
