import type { EngineTime } from '../../model/engine.ts';
import type { ContainerUsage, UsageSample } from '../../model/trail/usage.ts';
import { boundedText } from '../../model/values/bounded-text.ts';
import { mapBounded } from '../../model/values/map-bounded.ts';
import type { UsageOptions } from '../../orchestrator/port.ts';
import type { CallOptions, ExecSession } from '../../orchestrator/session-host.ts';
import { reachContainer, serverContainer, serverStatus, timeOf } from '../model/objects.ts';
import { idOfGeneration, idOfPod, isAsleep, type Observed, podsOf, type Workload } from '../model/observed.ts';
import { amountOf } from '../model/quantity.ts';
import { eachSession } from '../objects/scripts.ts';
import { clusterTime } from '../observe/describe.ts';
import type { KubernetesPorts } from '../ports.ts';
import { isOfRun, type PodMetrics, podMetricsOf } from './pod-metrics.ts';
import { instanceOf } from './server-views.ts';
import { statusOf } from './state.ts';

/**
 * What the kernel counts of a container, as its own cgroup files say it in there: cgroup v2, else v1. Each line a word and a
 * number; what is not there is left out. The words are those of the kernel's cgroup documentation.
 */
const script = `
cd /sys/fs/cgroup || exit 1
if [ -r cgroup.controllers ]; then
  while read -r name value; do echo "cpu.$name $value"; done <cpu.stat
  echo "memory $(cat memory.current)"
  while read -r name value; do [ "$name" = inactive_file ] && echo "inactive $value"; done <memory.stat
  echo "pids $(cat pids.current)"
else
  echo "cpu.usage_usec $(($(cat cpuacct/cpuacct.usage 2>/dev/null || cat cpu,cpuacct/cpuacct.usage) / 1000))"
  while read -r name value; do echo "cpu.$name $value"; done <cpu/cpu.stat
  echo "memory $(cat memory/memory.usage_in_bytes)"
  while read -r name value; do [ "$name" = total_inactive_file ] && echo "inactive $value"; done <memory/memory.stat
  echo "pids $(cat pids/pids.current)"
fi
while read -r name received _ _ _ _ _ _ _ sent _; do
  case $name in lo:|*'|'*|face*) ;; *:) echo "net.in $received"; echo "net.out $sent" ;; esac
done </proc/net/dev
`;

/** Says, where sessions are processes in the container of the server, how many there are: one exec tells both. */
const countScript = `count=0
${eachSession}
  count=$((count + 1))
done
echo "sessions $count"
`;

/** What is asked in a pod: null, what does not say it. */
type Said = { readonly sample: UsageSample | null; readonly sessions: number | null };

/** Reads what the scripts say. */
export function readSaid(said: string, at: EngineTime): Said {
  const values = new Map<string, number>();
  for (const line of said.split('\n')) {
    const [word = '', number = ''] = line.split(' ');
    if (/^\d+$/.test(number))
      values.set(word, (word.startsWith('net.') ? (values.get(word) ?? 0) : 0) + Number(number));
  }
  const value = (word: string): number => values.get(word) ?? 0;
  const sessions = values.get('sessions') ?? null;
  if (!values.has('memory') || !values.has('cpu.usage_usec')) return { sample: null, sessions };
  const sample = {
    at,
    cpuMs: value('cpu.usage_usec') / 1000,
    cpuPeriods: value('cpu.nr_periods'),
    throttledPeriods: value('cpu.nr_throttled'),
    memoryBytes: Math.max(0, value('memory') - value('inactive')),
    processes: value('pids'),
    network: values.has('net.in') ? { receivedBytes: value('net.in'), sentBytes: value('net.out') } : null,
    blockIo: null,
  };
  return { sample, sessions };
}

/** Where the metrics API says what a pod takes, that; what it does not say stays as the pod says it, unknown where it does not. */
const withMetrics = (sample: UsageSample | null, metrics: PodMetrics | undefined): UsageSample | null =>
  metrics === undefined
    ? sample
    : {
        at: metrics.average.until,
        cpuMs: null,
        cpuPeriods: null,
        throttledPeriods: null,
        processes: null,
        network: null,
        blockIo: null,
        ...sample,
        ...metrics,
      };

/** Pods that are measured at once, unless the caller says. */
const usualWidth = 8;

/**
 * `Orchestrator.usage`: by one list of the metrics API, and by asking in each pod: that API is not everywhere, and tells
 * neither sessions nor processes, nor of a pod in its first seconds anything.
 */
export async function usageOf(
  ports: KubernetesPorts,
  observed: Observed,
  { atOnce = usualWidth, ...options }: UsageOptions = {},
): Promise<readonly ContainerUsage[]> {
  const pods = observed.servers.flatMap((workload) =>
    workload.generations.flatMap((generation) => generation.pods.map((pod) => ({ workload, generation, pod }))),
  );
  const isMeasured = pods.some(({ pod }) => statusOf(pod).status === 'running');
  const asked = isMeasured ? podMetricsOf(ports, observed.namespace, observed.now, options) : new Map<string, never>();
  const without = observed.servers.filter((workload) => podsOf(workload).length === 0).map(usageWithoutPods);
  const measured = await mapBounded(pods, atOnce, async ({ workload, generation, pod }): Promise<ContainerUsage> => {
    const status = statusOf(pod);
    const isRunning = status.status === 'running';
    const id = idOfPod(pod);
    const startedAt = timeOf(serverStatus(pod)?.state?.running?.startedAt);
    const isReached = pod.spec.containers.some(({ name }) => name === reachContainer);
    const [said, sessions] = isRunning
      ? await Promise.all([
          measure(ports, id, observed.now, isReached ? script : script + countScript, options),
          isReached ? ports.sessions.countSessions(id, options).catch(() => 0) : 0,
        ])
      : [unsaid, 0];
    const metrics = isRunning ? (await asked).get(pod.metadata.name) : undefined;
    const limits = pod.spec.containers.find(({ name }) => name === serverContainer)?.resources?.limits ?? {};
    const { run, restarts } = instanceOf(generation, pod);
    return {
      server: workload.server,
      container: id,
      containerName: pod.metadata.name,
      generation: generation.claim.generation,
      status: isRunning ? 'running' : status.status === 'restarting' ? 'restarting' : 'stopped',
      run,
      startedAt,
      restarts,
      image: generation.claim.recorded?.image ?? '',
      limits: {
        cpuCores: amountOf(limits.cpu) || null,
        memoryBytes: amountOf(limits.memory) || null,
        processes: null,
      },
      sessions: said.sessions ?? sessions,
      sample: withMetrics(said.sample, metrics && isOfRun(metrics, startedAt) ? metrics : undefined),
    };
  });
  return [...measured, ...without];
}

/** What stands for a server that has no pods: that it takes nothing. */
function usageWithoutPods(workload: Workload): ContainerUsage {
  const { server, claim, deployment } = workload;
  return {
    server,
    container: idOfGeneration(undefined, deployment),
    containerName: deployment.metadata.name,
    generation: claim.generation,
    status: isAsleep(workload) ? 'asleep' : 'stopped',
    run: '',
    startedAt: 0,
    restarts: 0,
    image: claim.recorded?.image ?? '',
    limits: { cpuCores: null, memoryBytes: null, processes: null },
    sessions: 0,
    sample: null,
  };
}

/** What a pod may say of itself, bytes, and how long it may take. */
const mostBytes = 4096;
const patienceMs = 5000;

const unsaid: Said = { sample: null, sessions: null };

/** Asks in a pod, which may not say it: it may end just now, or hang, or have no shell. */
async function measure(
  { sessions, cluster }: KubernetesPorts,
  id: ContainerUsage['container'],
  lookedAt: EngineTime,
  words: string,
  { signal }: CallOptions,
): Promise<Said> {
  const bound = AbortSignal.any([AbortSignal.timeout(patienceMs), ...(signal === undefined ? [] : [signal])]);
  let exec: ExecSession | undefined;
  const stop = (): void => exec?.destroy();
  bound.addEventListener('abort', stop, { once: true });
  try {
    exec = await sessions.exec(id, { argv: ['sh', '-c', words] }, { signal: bound });
    for (const stream of [exec.stdin, exec.stderr]) stream.on('error', () => {});
    if (bound.aborted) return unsaid;
    exec.stdin.end();
    exec.stderr.resume();
    const said = await boundedText(exec.stdout, mostBytes);
    // The kernel counted shortly before it was heard.
    const at = clusterTime(cluster) ?? lookedAt;
    return said === undefined || bound.aborted ? unsaid : readSaid(said, at);
  } catch {
    return unsaid;
  } finally {
    bound.removeEventListener('abort', stop);
    exec?.destroy();
  }
}
