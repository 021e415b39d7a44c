import { LoomsError } from '../../model/errors.ts';
import { duration } from '../../model/times.ts';
import type { HttpLink, LinkOptions, LinkTarget, StdioLink } from './link.ts';
import { linkStdio } from './stdio-link.ts';

/** Who gives up early, and the bound of connecting as a message names it, ms. */
type LinkBounds = { readonly signal: AbortSignal | undefined; readonly limitMs: number };

/** Opens links. Throws `interrupted`, `engine-timeout` for an engine that takes too long, and what the engine throws. */
export type LinkSource = (
  target: LinkTarget,
  options: LinkOptions,
  bounds: LinkBounds,
) => Promise<StdioLink | HttpLink>;

/** One exec for a stdio server; what reaches HTTP servers is loaded for the first of them. */
export const openLink: LinkSource = async (target, options, { signal, limitMs }) => {
  const { transport } = target.spec.mcp;
  if (transport.kind !== 'stdio') return (await import('./http-link.ts')).linkHttp(target, transport, options);
  try {
    return await linkStdio(target, options);
  } catch (error) {
    if (!options.signal.aborted) throw error;
    const interrupted = signal?.aborted === true;
    throw new LoomsError(
      interrupted ? 'interrupted' : 'engine-timeout',
      interrupted
        ? `stopped connecting to ${target.spec.name}`
        : `the engine did not start a session of ${target.spec.name} within ${duration(limitMs)}`,
      { cause: error },
    );
  }
};
