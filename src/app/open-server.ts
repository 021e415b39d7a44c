import type { Session, SessionOptions } from '../mcp/session.ts';
import type { DesiredServer } from '../model/desired.ts';
import { LoomsError } from '../model/errors.ts';
import type { ContainerId, ProjectName, ServerName } from '../model/ids.ts';
import { containerName, relayName } from '../model/labels.ts';
import type { ImageFacts } from '../model/shape.ts';
import { serverNotFound } from './plan-removal.ts';
import type { Ports } from './ports.ts';
import { sessionTarget } from './session-target.ts';

/** A server that runs, with a session to it. */
export type OpenServer = { readonly container: ContainerId; readonly spec: DesiredServer; readonly session: Session };

/** Stands in for an image whose facts the session does not need, because the spec says the whole argv. */
const unaskedImage = { entrypoint: [], command: [] } as const;

/**
 * Opens a session to a running server of a project, found by the labels on its container alone.
 * Throws `server-not-found`, `server-not-running`, `secret-missing`, and what opening a session throws.
 */
export async function openServer(
  ports: Ports,
  project: ProjectName,
  server: ServerName,
  options: SessionOptions,
): Promise<OpenServer> {
  const engine = await ports.engine();
  const located = await engine.locate(project, options.signal === undefined ? {} : { signal: options.signal });
  const own = located.filter((one) => one.role === 'server' && one.server === server);
  if (own.length === 0) {
    const known = [
      ...new Set(located.flatMap((one) => (one.role === 'server' && one.server ? [one.server] : []))),
    ].sort();
    throw serverNotFound(project, server, known);
  }
  const settled = own.find((one) => one.name === containerName(project, server));
  const running = settled?.running ? settled : own.find((one) => one.running);
  if (running === undefined) {
    throw new LoomsError('server-not-running', `server ${server} is not running`, {
      hint: 'looms apply starts it; looms describe shows its state',
    });
  }
  const spec = running.recorded?.spec;
  if (spec === undefined) {
    throw new LoomsError(
      'server-not-running',
      `container ${running.name} does not say which server it is: its looms.spec label cannot be read`,
      {
        hint: 'looms apply replaces it',
      },
    );
  }
  const needsImage = spec.mcp.transport.kind === 'stdio' && spec.mcp.command === undefined;
  const facts: Pick<ImageFacts, 'entrypoint' | 'command'> | null = needsImage
    ? await engine.findImage(running.imageRef)
    : unaskedImage;
  const { mode } = spec.network;
  const relay =
    mode === 'none'
      ? undefined
      : located.find((one) => one.role === 'relay' && one.name === relayName(project, mode) && one.running);
  const target = await sessionTarget(
    {
      engine,
      container: running.id,
      spec,
      image: { ref: running.imageRef, hasShell: running.hasShell, ...(facts ?? unaskedImage) },
      relay: relay?.id,
      host: running.id.slice(0, 12),
    },
    ports.secrets,
  );
  const open = await ports.openSession();
  return { container: running.id, spec, session: await open(target, options) };
}
