import { assertNever, LoomsError } from '../../model/errors.ts';
import { defined } from '../../model/values/defined.ts';
import { nearest } from '../../model/values/nearest.ts';
import type { NamedEngine, ProjectFile } from '../../spec/project-file.ts';
import type { Settings } from './composition.ts';

/** A Docker Engine or Podman, by what names it; by none it is looked for where engines usually are. */
export type DockerWish = {
  readonly kind: 'docker';
  readonly host?: string;
  /** '': what Docker itself would take, whatever the project file says. */
  readonly context?: string;
  /** Of the project file: what flags and environment leave to it. */
  readonly file?: { readonly at: string; readonly host?: string; readonly context?: string };
  /** What was not taken since the environment wins over it: the cluster of the project file, as `--context` names it. */
  readonly insteadOf?: { readonly at: string; readonly context: string };
};

/** A cluster; without a context the one of kubeconfig's current context. */
export type ClusterWish = {
  readonly kind: 'kubernetes';
  readonly context?: string;
  /** By what it is named, for people. */
  readonly origin: string;
  /** What would have won over that, and names nothing. */
  readonly before: readonly string[];
};

/** A context of which the name alone is said. */
export type OpenWish = {
  readonly kind: 'either';
  readonly context: string;
  readonly asDocker: DockerWish;
  readonly asCluster: ClusterWish;
};

/** What flags, environment and project file say of the engine. */
type EngineWish = DockerWish | ClusterWish | OpenWish;

/**
 * Flags win over the environment, and the environment over the project file (docs/commands.md, "Which engine"). `KUBECONFIG`
 * only says where contexts are. Throws `usage` where both flags are given.
 */
export function wishOf(
  { host, context, program: { environment } }: Pick<Settings, 'host' | 'context' | 'program'>,
  file: NamedEngine | undefined,
): EngineWish {
  if (host !== undefined && context !== undefined) {
    throw new LoomsError('usage', '--host and --context both name an engine', { hint: 'give one of the two' });
  }
  if (host !== undefined) return { kind: 'docker', host };
  if (context !== undefined) return wishOfContext(context);
  const isNamed = Boolean(environment.DOCKER_HOST || environment.DOCKER_CONTEXT);
  if (isNamed && file?.kind === 'kubernetes') {
    return { kind: 'docker', insteadOf: { at: file.at, context: `kubernetes:${file.context ?? ''}` } };
  }
  return wishOfFile(file, ['--host', '--context', 'DOCKER_HOST', 'DOCKER_CONTEXT']);
}

/**
 * What of a project file says which engines there are, wherever in the file it stands: two that are deeply equal say the same.
 * What flags and environment win over says nothing.
 */
export function enginesNamed(
  { host, context, program: { environment } }: Pick<Settings, 'host' | 'context' | 'program'>,
  { engine, engines, registry }: Pick<ProjectFile, 'engine' | 'engines' | 'registry'> = {},
): unknown {
  const isFlagged = host !== undefined || context !== undefined;
  const isNamed = isFlagged || Boolean(environment.DOCKER_HOST || environment.DOCKER_CONTEXT);
  const named = (one: NamedEngine | undefined) => one && { ...one, at: '' };
  return {
    registry,
    engines: isFlagged ? undefined : engines?.map((one) => ({ ...one, named: named(one.named) })),
    engine: isNamed ? undefined : named(engine),
  };
}

/** What the project file alone says of an engine; `before` would have won over a cluster that it names. */
export function wishOfFile(file: NamedEngine | undefined, before: ClusterWish['before']): DockerWish | ClusterWish {
  switch (file?.kind) {
    case undefined:
      return { kind: 'docker' };
    case 'kubernetes':
      return { kind: 'kubernetes', origin: file.at, before, ...defined({ context: file.context }) };
    case 'host':
      return { kind: 'docker', file: { at: file.at, host: file.host } };
    case 'context':
      return { kind: 'docker', file: { at: file.at, context: file.context } };
    default:
      return assertNever(file);
  }
}

/** `docker:NAME` and `kubernetes:NAME` say the kind; without a name they are what each kind takes by itself. */
function wishOfContext(written: string): EngineWish {
  const [, kind, name = ''] = /^(docker|kubernetes):(.*)$/s.exec(written) ?? [];
  const asDocker = (context: string): DockerWish => ({ kind: 'docker', context });
  const asCluster = (context: string): ClusterWish => ({
    kind: 'kubernetes',
    origin: `--context ${written}`,
    before: ['--host'],
    ...(context === '' ? {} : { context }),
  });
  if (kind === 'docker') return asDocker(name);
  if (kind === 'kubernetes') return asCluster(name);
  if (written === '') return asDocker('');
  return { kind: 'either', context: written, asDocker: asDocker(written), asCluster: asCluster(written) };
}

/** The contexts that there are, by their kinds; of kubeconfig none where it cannot be read, and why. */
export type KnownContexts = {
  readonly docker: readonly string[];
  readonly kubernetes: readonly string[];
  readonly unreadable?: LoomsError;
};

const listed = (names: readonly string[]): string => (names.length === 0 ? 'none' : names.join(', '));

/** The contexts of both kinds, for the lines under an error. */
const contextLines = ({ docker, kubernetes, unreadable }: KnownContexts): readonly string[] => [
  `contexts of Docker: ${listed(docker)}`,
  `contexts of kubeconfig: ${unreadable?.message ?? listed(kubernetes)}`,
];

/**
 * A context by its name alone is of the kind that has one. Throws `usage` where both have, `context-not-found` where none
 * has, and why kubeconfig cannot be read where Docker has none.
 */
export function kindOfContext(context: string, known: KnownContexts): 'docker' | 'kubernetes' {
  const kinds = (['docker', 'kubernetes'] as const).filter((kind) => known[kind].includes(context));
  const [kind, other] = kinds;
  if (kind === undefined) {
    if (known.unreadable !== undefined) throw known.unreadable;
    throw contextNotFound(`neither Docker nor kubeconfig has a context "${context}" (--context)`, context, known);
  }
  if (other === undefined) return kind;
  throw new LoomsError('usage', `"${context}" is a context of Docker and one of kubeconfig`, {
    hint: `say which: --context docker:${context} or --context kubernetes:${context}`,
  });
}

/** That no context has this name, with what there is instead. `wanted` is compared with the names of both kinds. */
export function contextNotFound(message: string, wanted: string, known: KnownContexts): LoomsError {
  const near = nearest(wanted, [...known.docker, ...known.kubernetes]);
  const both = '`docker context ls` and `kubectl config get-contexts` list the contexts there are';
  return new LoomsError('context-not-found', message, {
    hint: near === undefined ? both : near === wanted ? otherKind(wanted, known) : `did you mean ${near}?`,
    detail: contextLines(known),
  });
}

/** What to write for a context that is there, and of the other kind than it was asked for. */
const otherKind = (name: string, { kubernetes }: KnownContexts): string =>
  kubernetes.includes(name)
    ? `it is one of kubeconfig: --context kubernetes:${name}, or engine: { kubernetes: { context: ${name} } } in looms.yaml`
    : `it is one of Docker: --context docker:${name}, or engine: { context: ${name} } in looms.yaml`;
