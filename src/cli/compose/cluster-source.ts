import { relayImageOf } from '../../model/container/relay-image.ts';
import { inCluster } from '../../model/engine.ts';
import { isFailure, LoomsError } from '../../model/errors.ts';
import { defined } from '../../model/values/defined.ts';
import { type ClusterWish, contextNotFound } from './engine-choice.ts';
import { publisherHere } from './publisher.ts';
import {
  contextPlace,
  type Environment,
  knownContexts,
  recordParts,
  type SingleSource,
  type SourceParts,
} from './source-parts.ts';

/** Looks for a cluster, and asks it nothing. Throws `context-not-found`, `engine-unreachable` where nothing names one. */
export async function clusterSource(
  wish: ClusterWish,
  { environment, registry, needs }: SourceParts,
): Promise<SingleSource> {
  const { context, origin, before } = wish;
  const [{ findCluster }, { connectCluster }] = await Promise.all([
    import('../../kubernetes/client/find-cluster.ts'),
    import('../../kubernetes/client/cluster.ts'),
  ]);
  const access = await findCluster({ ...contextPlace(environment), ...defined({ context }) }).catch(
    (error: unknown) => {
      if (isFailure(error, 'context-not-found')) return null;
      throw error;
    },
  );
  if (access === null) throw await notFound(wish, environment);
  const cluster = connectCluster(access);
  const { endpoint } = cluster;
  const detail = cluster.context === inCluster ? 'the cluster of this pod' : `context ${cluster.context} of kubeconfig`;
  return {
    attempts: [
      ...before.map((one) => ({ origin: one, outcome: 'not-set', detail: 'not set' }) as const),
      { origin, url: endpoint, outcome: 'chosen', detail },
    ],
    // Contexts of one API server are other users, who see and may do other things there.
    address: `${endpoint}#${cluster.context}`,
    isLocal: false,
    at: async () => undefined,
    connect: async () => {
      const [{ kubernetesOrchestrator }, { kubernetesSessions }, given, records] = await Promise.all([
        import('../../kubernetes/orchestrator.ts'),
        import('../../kubernetes/sessions/sessions.ts'),
        needs(),
        recordParts(environment),
      ]);
      return kubernetesOrchestrator(cluster, kubernetesSessions(cluster), given, {
        ...defined({ registry }),
        images: publisherHere(environment, given.managedBy),
        relayImage: relayImageOf(environment),
        records,
      });
    },
  };
}

async function notFound({ context, origin }: ClusterWish, environment: Environment): Promise<LoomsError> {
  if (context === inCluster) {
    return new LoomsError('engine-unreachable', `looms does not run in a pod of a cluster (${origin})`, {
      hint: 'in a pod it is given the token and the address of its cluster; elsewhere name a context of kubeconfig',
    });
  }
  const known = await knownContexts(environment);
  if (known.unreadable !== undefined) return known.unreadable;
  if (context !== undefined) {
    return contextNotFound(`kubeconfig has no context "${context}" (${origin})`, context, known);
  }
  if (known.kubernetes.length === 0) {
    return new LoomsError('engine-unreachable', `there is no kubeconfig with a context (${origin})`, {
      hint: 'KUBECONFIG says where it is; without it, it is ~/.kube/config',
    });
  }
  return new LoomsError('context-not-found', `kubeconfig has no current context (${origin})`, {
    hint: 'name one: --context kubernetes:NAME, or `kubectl config use-context NAME`',
    detail: [`contexts of kubeconfig: ${known.kubernetes.join(', ')}`],
  });
}
