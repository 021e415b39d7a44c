import type { DeclaredServer } from '../../model/desired.ts';
import { messageOf } from '../../model/failure.ts';
import type { ContainerId, ServerName } from '../../model/ids.ts';
import type { PlanWarning } from '../../model/plan.ts';
import { requireKnown } from '../../orchestrator/common/require-known.ts';
import type { FilesIntent, MadeServer } from '../../orchestrator/port.ts';
import type { DockerPorts } from '../ports.ts';
import { type DockerPrepared, prepare, supportImagesOf } from './prepare.ts';

/** Whether the registry is asked for a newer image (docs/spec.md: `pull_policy`, `rotate_on_image_change`). */
const checksRegistry = ({ spec, image }: DeclaredServer): boolean =>
  image.kind === 'pulled' && spec.enabled && (spec.pullPolicy === 'always' || spec.lifecycle.rotateOnImageChange);

/** Servers that are declared, with what is asked for by hand. */
type Declared = Omit<FilesIntent, 'kind'> & {
  /** Servers to stop because somebody asked for it, drained first; they are declared with `enabled: false`. */
  readonly stop?: readonly ServerName[];
};

/** Plans what is declared. Throws `server-not-found` for others in `only` or `replace`, and what the engine throws. */
export async function planDeclared(ports: DockerPorts, asked: Declared): Promise<DockerPrepared> {
  const { project, only, replace = [], unhealthy = new Map(), stop = [], movedAway = [], keepFailed = false } = asked;
  requireKnown(asked);
  const servers =
    only === undefined ? asked.servers : asked.servers.filter((server) => only.includes(server.spec.name));
  const bases = servers.flatMap(({ image }) =>
    image.kind === 'built' && image.base !== undefined ? [image.base] : [],
  );
  const images = [...servers.map((server) => server.image.ref), ...bases, ...supportImagesOf(ports, servers)];
  const observed = await ports.engine.observe({
    project,
    images: [...new Set(images)],
    checkRegistry: [...new Set(servers.filter(checksRegistry).map((server) => server.image.ref))],
  });
  const counted = servers.some((server) => server.spec.lifecycle.maxExecutions !== undefined)
    ? await executionsOf(
        ports,
        observed.containers.map(({ id }) => id),
      )
    : { executions: new Map(), warnings: [] };
  const made = observed.containers.flatMap((one): MadeServer[] =>
    one.role === 'server' && one.server !== undefined && one.state.status !== 'created'
      ? [{ ...one, server: one.server }]
      : [],
  );
  const secrets = await ports.changedSecrets(project, servers, made);
  const prepared = prepare(
    ports,
    { kind: 'files', ...asked },
    observed,
    {
      desired: servers,
      undesired: only === undefined ? asked.undesired : 'ignore',
      executions: counted.executions,
      changedSecrets: secrets.changed,
      replace: new Set(replace),
      unhealthy,
      stop: new Set(stop),
      movedAway: new Set(movedAway),
      keepFailed,
    },
    { warnings: [...counted.warnings, ...secrets.warnings] },
  );
  // What a file declares is known of all of them, whichever are looked at.
  return { ...prepared, servers: asked.servers };
}

type Counted = {
  readonly executions: ReadonlyMap<ContainerId, number>;
  readonly warnings: readonly PlanWarning[];
};

/** A ledger that cannot be read does not keep anyone from seeing drift. */
async function executionsOf(ports: DockerPorts, containers: readonly ContainerId[]): Promise<Counted> {
  try {
    return { executions: await ports.countExecutions(containers), warnings: [] };
  } catch (error) {
    const message = `max_executions is not looked at, its calls are not counted: ${messageOf(error)}`;
    return { executions: new Map(), warnings: [{ code: 'executions-unknown', message }] };
  }
}
