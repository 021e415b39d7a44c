import type { Engine } from '../../docker/port.ts';
import { argvTemplateOf } from '../../docker/reconcile/server/container-template.ts';
import type { ObservedContainer } from '../../model/observed.ts';
import { isSecretsShell, resolveArgv } from '../../model/resolve-shape.ts';

/**
 * What is run as the server, without secrets: PID 1 of a stdio server's container only waits for sessions. Asks the engine
 * where the image decides; empty when that one is gone.
 */
export async function serverArgv(
  engine: Engine,
  { recorded, shape, imageRef: ref }: ObservedContainer,
): Promise<readonly string[]> {
  const template = recorded === undefined ? {} : argvTemplateOf(recorded.spec);
  if (template.entrypoint !== undefined) return resolveArgv(template, { ref, entrypoint: [], command: [] });
  const isPidOne = recorded === undefined || recorded.spec.mcp.transport.kind !== 'stdio' || shape.openStdin;
  if (isPidOne) return isSecretsShell(shape.entrypoint) ? shape.command : [...shape.entrypoint, ...shape.command];
  const image = await engine.findImage(shape.imageId, { mayLook: false });
  return image === null ? [] : [...image.entrypoint, ...(template.command ?? image.command)];
}
