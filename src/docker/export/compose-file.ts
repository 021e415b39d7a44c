import { argvTemplateOf } from '../../model/container/argv.ts';
import { hasForwarder } from '../../model/container/egress.ts';
import { keptByLooms } from '../../model/container/kept-by-looms.ts';
import { ownedBy } from '../../model/container/tmpfs.ts';
import { builtDirOf, usualHome } from '../../model/container/usual-process.ts';
import { type DeclaredServer, type DesiredServer, type Env, isHttp, type SecretRef } from '../../model/desired.ts';
import { LoomsError } from '../../model/errors.ts';
import { boundsOf, countedBy } from '../../model/replicas.ts';
import { processEnv, secretUses, secretVariable, writtenRef } from '../../model/secrets/secret-names.ts';
import { present } from '../../model/values/present.ts';
import type { Exported, Exporter, ExportSettings, Unlike } from '../../orchestrator/export.ts';
import { volumeName } from '../model/labels.ts';
import { isWithin, workingDirTmpfs } from '../model/resolve-shape.ts';
import { templateOf } from '../reconcile/server/container-template.ts';

/** Compose fills in `$NAME` and `${NAME}` everywhere; a spec's text is meant as it stands. */
const escaped = (text: string): string => text.replaceAll('$', () => '$$');

/** The variable of its own environment that Compose takes a secret from. */
const variableOf = ({ from, name }: SecretRef): string => (from === 'provider' ? secretVariable(name) : name);

/** What each of those variables is. Throws `spec-invalid` for two secrets that one of them would be: the names differ in signs alone. */
function secretsByVariable(refs: readonly SecretRef[]): ReadonlyMap<string, string> {
  const secrets = new Map<string, string>();
  for (const ref of refs) {
    const [variable, written] = [variableOf(ref), writtenRef(ref)];
    const other = secrets.get(variable) ?? written;
    if (other !== written) {
      throw new LoomsError(
        'spec-invalid',
        `Compose would take ${other} and ${written} from one variable, ${variable}`,
        {
          hint: 'give one of the two secrets another name',
        },
      );
    }
    secrets.set(variable, written);
  }
  return secrets;
}

/** A variable with secrets: Compose takes their values from its own environment, and ends where one is missing. */
const environmentOf = (env: Env): Record<string, string> =>
  Object.fromEntries(
    Object.entries(env)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([variable, value]) => [
        variable,
        value.kind === 'literal'
          ? escaped(value.value)
          : value.parts
              .map((part) => {
                if (typeof part === 'string') return escaped(part);
                return `\${${variableOf(part)}:?}`;
              })
              .join(''),
      ]),
  );

function processOf(spec: DesiredServer): object {
  if (!isHttp(spec)) return { entrypoint: ['sleep'], command: ['infinity'] };
  const { entrypoint, command } = argvTemplateOf(spec);
  return {
    ...(entrypoint === undefined ? {} : { entrypoint: entrypoint.map(escaped) }),
    ...(command === undefined ? {} : { command: command.map(escaped) }),
  };
}

const pullPolicies = { missing: 'missing', always: 'always', never: 'never' } as const;

function service(server: DeclaredServer, { project }: ExportSettings): object {
  const { spec, image } = server;
  const shape = templateOf(spec, project);
  const { mode } = spec.network;
  const workingDir = spec.workingDir ?? builtDirOf(spec);
  const isMounted = [...Object.keys(shape.tmpfs), ...spec.mounts.map(({ target }) => target)].some(
    (folder) => workingDir !== undefined && isWithin(workingDir, folder),
  );
  const tmpfs =
    builtDirOf(spec) === undefined || workingDir === undefined || isMounted
      ? shape.tmpfs
      : { ...shape.tmpfs, [workingDir]: ownedBy(shape.user, workingDirTmpfs) };
  return {
    image: image.ref,
    pull_policy: image.kind === 'built' ? 'never' : pullPolicies[spec.pullPolicy],
    ...(spec.platform === undefined ? {} : { platform: spec.platform }),
    ...(spec.hostname === '' ? {} : { hostname: spec.hostname }),
    ...(spec.enabled ? {} : { profiles: ['disabled'] }),
    ...processOf(spec),
    ...(workingDir === undefined ? {} : { working_dir: escaped(workingDir) }),
    environment: environmentOf({ ...usualHome, ...spec.environment, ...processEnv(spec) }),
    user: shape.user,
    init: shape.init,
    restart: shape.restart,
    read_only: shape.readOnlyRoot,
    ...(shape.capDrop.length === 0 ? {} : { cap_drop: shape.capDrop }),
    ...(shape.capAdd.length === 0 ? {} : { cap_add: shape.capAdd }),
    ...(shape.noNewPrivileges ? { security_opt: ['no-new-privileges:true'] } : {}),
    cpus: spec.limits.cpuCores,
    mem_limit: `${spec.limits.memoryMiB}m`,
    memswap_limit: `${spec.limits.memoryMiB}m`,
    pids_limit: shape.pidsLimit,
    ...(spec.limits.storageMiB === undefined ? {} : { storage_opt: { size: `${spec.limits.storageMiB}m` } }),
    tmpfs: Object.entries(tmpfs).map(([path, { sizeBytes, exec, mode: bits, owner }]) => {
      const [uid, gid] = owner?.split(':') ?? [];
      const options = [
        `size=${sizeBytes}`,
        `mode=${bits}`,
        ...(exec ? ['exec'] : []),
        ...(uid === undefined ? [] : [`uid=${uid}`]),
        ...(gid === undefined ? [] : [`gid=${gid}`]),
      ];
      return `${escaped(path)}:${options.join(',')}`;
    }),
    ...(spec.mounts.length === 0
      ? {}
      : {
          volumes: spec.mounts.map(({ type, source, target, readOnly }) => ({
            type,
            source: escaped(source),
            target: escaped(target),
            ...(readOnly ? { read_only: true } : {}),
            ...(type === 'bind' ? { bind: { create_host_path: false } } : {}),
          })),
        }),
    ...(mode === 'none' ? { network_mode: 'none' } : { networks: { [mode]: { aliases: [spec.name] } } }),
    ...(shape.dns.length === 0 ? {} : { dns: shape.dns, dns_opt: shape.dnsOptions }),
    labels: Object.fromEntries(Object.entries(spec.labels).map(([key, value]) => [key, escaped(value)])),
    stop_grace_period: '10s',
  };
}

const used = (servers: readonly DesiredServer[], mode: 'isolated' | 'bridge'): boolean =>
  servers.some(({ network }) => network.mode === mode);

function write(servers: readonly DeclaredServer[], settings: ExportSettings): Exported {
  const sorted = servers.toSorted((a, b) => (a.spec.name < b.spec.name ? -1 : 1));
  const specs = sorted.map(({ spec }) => spec);
  const volumes = specs.flatMap(({ mounts }) =>
    mounts.flatMap(({ type, source }) => (type === 'volume' ? [source] : [])),
  );
  const document = {
    name: `looms-${settings.project}`,
    services: Object.fromEntries(sorted.map((server) => [server.spec.name, service(server, settings)])),
    networks: {
      ...(used(specs, 'isolated') ? { isolated: { internal: true } } : {}),
      ...(used(specs, 'bridge') ? { bridge: {} } : {}),
    },
    ...(volumes.length === 0
      ? {}
      : {
          volumes: Object.fromEntries(
            [...new Set(volumes)].sort().map((name) => [name, { name: volumeName(settings.project, name) }]),
          ),
        }),
  };
  const keys = secretsByVariable(specs.flatMap((spec) => secretUses(spec).flatMap((use) => use.refs)));
  return {
    documents: [document],
    secrets:
      keys.size === 0
        ? []
        : [{ keys: [...keys].sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, value]) => ({ name, value })) }],
    images: sorted.flatMap(({ image }) => (image.kind === 'built' ? [{ here: image.ref, there: image.ref }] : [])),
  };
}

function unlike(spec: DesiredServer): readonly Unlike[] {
  const { network, lifecycle } = spec;
  const approximate = (path: string, message: string): Unlike => ({ kind: 'approximate', path, message });
  const refused = (path: string, message: string, hint: string): Unlike => ({ kind: 'refused', path, message, hint });
  const listing = network.egressLearn ? 'egress_learn' : 'egress';
  return present([
    spec.image.kind !== 'image' &&
      approximate('docker_backend.runtime_type', 'Compose takes the image that looms built here, and builds none'),
    hasForwarder(spec) &&
      refused(
        `docker_backend.network.${listing}`,
        'Compose has nothing that lets a server reach some hosts and no others',
        'leave the list out, or run this server with looms',
      ),
    lifecycle.preserve.length > 0 &&
      refused(
        'docker_backend.lifecycle.preserve',
        'Compose replaces a container with all that is in it',
        'keep the files in a named volume that is mounted there',
      ),
    boundsOf(spec).least > 1 &&
      refused(
        countedBy(spec),
        'Compose would run as many containers, and `docker compose exec` begins each session in the first of them',
        'leave it out, or run this server with looms on a cluster',
      ),
    spec.mounts.some(({ type }) => type === 'volume') &&
      approximate(
        'docker_backend.volume_mounts',
        'a named volume is the one that looms uses: the server must not run with both at once',
      ),
    lifecycle.drainSeconds > 0 && approximate('docker_backend.lifecycle.drain_seconds', 'Compose waits for no session'),
    ...keptByLooms(spec).map(({ path, what }) => approximate(path, `${what} is kept by looms alone: Compose does not`)),
    secretUses(spec).length > 0 &&
      approximate(
        'mcp_server.env',
        'Compose puts secrets into the settings of the container, where `docker inspect` shows them',
      ),
  ]);
}

/** A project as a Compose file (https://github.com/compose-spec/compose-spec/blob/main/spec.md). */
export const composeExporter: Exporter = { unlike, write };
