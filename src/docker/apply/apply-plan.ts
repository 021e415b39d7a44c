import { proxySettings } from '../../image/proxies.ts';
import type { DeclaredServer } from '../../model/desired.ts';
import { LoomsError } from '../../model/errors.ts';
import type { ExecutionEvent, Failure } from '../../model/events.ts';
import type { HealthFinding } from '../../model/health.ts';
import type { ContainerId, ServerName } from '../../model/ids.ts';
import { planDifferences } from '../../model/plan/compare-plans.ts';
import { defined } from '../../model/values/defined.ts';
import { engineWidth } from '../../model/values/map-bounded.ts';
import { tellingLines } from '../../model/values/telling-lines.ts';
import { planStale } from '../../orchestrator/common/plan-stale.ts';
import type { HeldLock } from '../../orchestrator/common/project-lock.ts';
import { underLock } from '../../orchestrator/common/under-lock.ts';
import type { ApplyOptions, ApplyReport, LoggedServer, OrchestratorPorts, Prepared } from '../../orchestrator/port.ts';
import { executePlan } from '../execute/execute-plan.ts';
import type { StepEnvironment } from '../execute/perform-step.ts';
import { label } from '../model/labels.ts';
import { planIntent } from '../plan/plan-intent.ts';
import type { DockerPrepared } from '../plan/prepare.ts';
import type { DockerPorts } from '../ports.ts';
import { servingContainer } from '../views/serving.ts';
import { reportOf } from './apply-report.ts';

/** Between SIGTERM and SIGKILL when a container is stopped; Docker's own default. */
const stopGraceSeconds = 10;

/** What this run knows of containers beside its plan: those that were there, and those that it made. */
type Made = {
  /** The relay of each network that has one, by its name. */
  readonly relays: Map<string, ContainerId>;
  /** The servers' containers that it made, with their generations. */
  readonly servers: Map<ContainerId, { readonly server: ServerName; readonly generation: number }>;
};

const madeBefore = ({ observed }: DockerPrepared): Made => ({
  relays: new Map(observed.containers.filter(({ role }) => role === 'relay').map(({ name, id }) => [name, id])),
  servers: new Map(),
});

/** Takes note of what was just made: gates go through a relay, and the log of a server that fails its gate is kept. */
function noteMade(event: ExecutionEvent, { relays, servers }: Made, { plan }: DockerPrepared): void {
  if (event.type !== 'step-ended' || event.result.result !== 'ok' || event.result.container === undefined) return;
  const step = plan.steps.find(({ id }) => id === event.step.id);
  if (step?.op !== 'create-container') return;
  const { role, name, ownLabels } = step.container;
  if (role === 'relay') relays.set(name, event.result.container);
  if (role === 'server' && step.server !== undefined) {
    const generation = Number(ownLabels[label.generation] ?? 0);
    servers.set(event.result.container, { server: step.server, generation });
  }
}

/** Characters of a failure that a record keeps: a label has to carry them. */
const longestFailure = 2000;

/** The error and the last lines of its detail. */
function recordableFailure({ code, message, detail }: Failure, mask: OrchestratorPorts['mask']): string {
  const lines = [`${code}: ${message}`, ...tellingLines(detail, 5)].map((line) =>
    mask(line).slice(0, longestFailure / 4),
  );
  return lines.join('\n').slice(0, longestFailure);
}

function stepEnvironment(
  ports: DockerPorts,
  { intent, observed, plan, servers }: DockerPrepared,
  made: Made,
  onHealthy: (finding: HealthFinding) => void,
): StepEnvironment {
  const images = new Map(
    Object.entries(observed.images).flatMap(([ref, facts]) => (facts === null ? [] : [[ref, facts] as const])),
  );
  const declared = new Map(servers.map((server) => [server.spec.name, server]));
  /** A container of a server, as keeping its log needs it; undefined for any other, and one that never ran. */
  const loggedServer = (id: ContainerId): LoggedServer | undefined => {
    const there = observed.containers.find((one) => one.id === id);
    if (there !== undefined) {
      const { role, server, generation, state, recorded, foreignRecord, secretPrints } = there;
      if (role !== 'server' || server === undefined || state.status === 'created') return undefined;
      return { container: id, server, generation, ...defined({ spec: recorded?.spec, foreignRecord, secretPrints }) };
    }
    const ours = made.servers.get(id);
    return ours && { container: id, ...ours, ...defined({ spec: declared.get(ours.server)?.spec }) };
  };
  const find = (name: ServerName): DeclaredServer => {
    const server = declared.get(name);
    if (server === undefined) throw new LoomsError('internal', `the plan names server ${name}, which was not declared`);
    return server;
  };
  return {
    engine: ports.engine,
    project: plan.project,
    managedBy: ports.managedBy,
    recipes: intent.kind === 'files' ? intent.recipes : new Map(),
    // No project: containers inherit an image's labels, and images are shared by projects.
    buildSettings: { proxies: proxySettings(ports.environment), labels: { [label.managedBy]: ports.managedBy } },
    images,
    gate: async (name, container, { signal = new AbortController().signal }) => {
      const { spec, image } = find(name);
      const there = observed.containers.find(({ id }) => id === container);
      const facts = images.get(image.ref);
      // Only a server without a shell in its image is PID 1 itself and waits on an open stdin (`resolveShape`).
      const madeOf =
        there === undefined
          ? facts && { imageId: facts.id, imageRef: facts.ref, hasShell: facts.hasShell !== false, facts }
          : { imageId: there.shape.imageId, imageRef: there.imageRef, hasShell: !there.shape.openStdin };
      if (madeOf === undefined) throw new LoomsError('image-not-found', `image ${image.ref} is not on this engine`);
      const { generation = 0, secretPrints } = there ?? {};
      const reachable = { id: container, name, generation, secretPrints, ...madeOf };
      const serving = await servingContainer(ports.engine, reachable, spec, plan.project, (relay) =>
        made.relays.get(relay),
      );
      // Looked at before it answers: one that is started again in between has not been asked.
      const run = (await ports.engine.containerRunning(container, { signal }))?.run ?? '';
      const outcome = await ports.gate(serving, { sessions: ports.engine, signal });
      if (outcome.passed) {
        onHealthy({ server: name, verdict: 'healthy', container, run, tools: outcome.tools, detail: '' });
      } else {
        // An engine that went away cut the session off, which says nothing about the server: this throws then.
        await ports.engine.containerRunning(container, { signal });
      }
      return outcome;
    },
    containerSecrets: (name) => ports.containerSecrets(plan.project, find(name)),
    waitUntil: async (probe, limitMs, options) => {
      const deadline = ports.monotonicMs() + limitMs;
      while (!(await probe())) {
        if (options.signal?.aborted || ports.monotonicMs() >= deadline) return false;
        await ports.pause(200, options.signal);
      }
      return true;
    },
    keepLog: async (id, { signal }) => {
      const logged = loggedServer(id);
      if (logged === undefined) return undefined;
      const place = { engine: observed.engine.id, project: plan.project };
      return ports.keepLog(place, logged, { sessions: ports.engine, signal });
    },
    recordable: (failure) => recordableFailure(failure, ports.mask),
    stopGraceSeconds,
  };
}

/** `Orchestrator.apply`. */
export async function applyPlan(ports: DockerPorts, confirmed: Prepared, options: ApplyOptions): Promise<ApplyReport> {
  if (confirmed.plan.steps.length === 0) return reportOf({ ...confirmed.plan, steps: [] }, new Map(), new Set());
  return underLock(ports, confirmed.plan.project, options, (lock, bounded) =>
    applyLocked(ports, confirmed, bounded, lock),
  );
}

async function applyLocked(
  ports: DockerPorts,
  confirmed: Prepared,
  options: ApplyOptions,
  lock: HeldLock,
): Promise<ApplyReport> {
  const prepared = await planIntent(ports, confirmed.intent);
  if (prepared.plan.basis !== confirmed.plan.basis && !options.acceptNewPlan(prepared.plan)) {
    const differences = planDifferences(confirmed.plan, prepared.plan);
    throw planStale('the engine changed between the plan you confirmed and now', differences);
  }
  const warnings = await options.check(prepared);
  const made = madeBefore(prepared);
  const healthy: HealthFinding[] = [];
  const env = stepEnvironment(ports, prepared, made, (finding) => healthy.push(finding));
  const results = await executePlan(prepared.plan, env, {
    parallelism: options.parallelism ?? engineWidth(prepared.observed.engine.cpus),
    stopSignal: options.stopSignal,
    abortSignal: options.abortSignal,
    atOnceSignal: options.atOnceSignal,
    awaited: options.awaited,
    checkLock: lock.check,
    sink: (event) => {
      noteMade(event, made, prepared);
      options.sink(event);
    },
    monotonicMs: ports.monotonicMs,
  });
  const running = prepared.observed.containers.filter(({ state }) => state.status === 'running');
  const plan = { ...prepared.plan, warnings: [...prepared.plan.warnings, ...warnings] };
  return { ...reportOf(plan, results, new Set(running.map(({ id }) => id))), healthy };
}
