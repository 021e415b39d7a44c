import { executePlan } from '../../docker/execute/execute-plan.ts';
import type { GateOutcome, StepEnvironment } from '../../docker/execute/perform-step.ts';
import type { LockHolder } from '../../docker/port.ts';
import { planDifferences } from '../../docker/reconcile/compare/compare-plans.ts';
import { proxySettings } from '../../image/proxies.ts';
import { runGate } from '../../mcp/client/gate.ts';
import type { DeclaredServer } from '../../model/desired.ts';
import { LoomsError } from '../../model/errors.ts';
import type { EventSink, ExecutionEvent, Failure } from '../../model/events.ts';
import type { HealthFinding } from '../../model/health.ts';
import { type ContainerId, hostNameOf, type ServerName } from '../../model/ids.ts';
import { label, relayName } from '../../model/labels.ts';
import { engineWidth } from '../../model/map-bounded.ts';
import type { Plan } from '../../model/plan.ts';
import type { ImageFacts } from '../../model/shape.ts';
import { duration } from '../../model/times.ts';
import { resolveEnv } from '../../secrets/resolve-env.ts';
import { type MissingSecret, missingSecrets } from '../plan/missing-secrets.ts';
import type { Prepared } from '../plan/plan-project.ts';
import type { Ports } from '../ports.ts';
import { knowSecrets } from '../talk/know-secrets.ts';
import { processEnv, secretVariables, sessionEnv, sessionImage, sessionTarget } from '../talk/session-target.ts';
import { type ApplyReport, reportOf } from './apply-report.ts';
import { type HeldLock, takeLock } from './project-lock.ts';
import { requireTrustInPlan } from './require-trust.ts';

/** Between SIGTERM and SIGKILL when a container is stopped; Docker's own default. */
const stopGraceSeconds = 10;

export type ApplyOptions = {
  /** Steps that run at once; default: four for each of the engine's processors, at least 4 and at most 16. */
  readonly parallelism?: number;
  /** Bound of the run once it has the lock, ms; then nothing new starts and running calls are given up. */
  readonly timeoutMs?: number;
  readonly lockTimeoutMs: number;
  /** Whether a plan made anew under the lock may differ from the one that was confirmed. */
  readonly acceptNewPlan: (plan: Plan) => boolean;
  /** First interrupt: start nothing new. */
  readonly stopSignal: AbortSignal;
  /** Second interrupt, or time is up: stop waiting. */
  readonly abortSignal: AbortSignal;
  readonly sink: EventSink;
  readonly onLockWait: (holder: LockHolder) => void;
};

/** Servers whose plan opens a session or makes a container, so that their secrets are needed. */
function serversThatNeedSecrets(plan: Plan, servers: readonly DeclaredServer[]): DeclaredServer[] {
  const gated = new Set(plan.steps.filter((step) => step.op === 'gate').map((step) => step.server));
  return servers.filter((server) => gated.has(server.spec.name));
}

/** A missing secret is an error before anything is stopped (docs/spec.md, Variables and secrets). */
async function requireSecrets(ports: Ports, plan: Plan, servers: readonly DeclaredServer[]): Promise<void> {
  const missing: MissingSecret[] = [];
  for (const { spec, source } of serversThatNeedSecrets(plan, servers)) {
    const found = await resolveEnv(processEnv(spec), ports.secrets);
    missing.push(...found.missing.map((one) => ({ ...one, server: spec.name, source })));
  }
  if (missing.length > 0) throw missingSecrets(missing);
}

type GateContext = {
  /** Takes note of a server that passed. */
  readonly onHealthy: (finding: HealthFinding) => void;
  readonly ports: Ports;
  readonly prepared: Prepared;
  readonly images: ReadonlyMap<string, ImageFacts>;
  /** The relay of a network, once it is there. */
  readonly relays: ReadonlyMap<string, ContainerId>;
};

async function gateContainer(
  context: GateContext,
  server: DeclaredServer,
  container: ContainerId,
  signal: AbortSignal,
): Promise<GateOutcome> {
  const { ports } = context;
  const { spec } = server;
  const engine = await ports.engine();
  const there = context.prepared.observed.containers.find(({ id }) => id === container);
  // Only a server without a shell in its image is PID 1 itself and waits on an open stdin (`resolveShape`).
  const image =
    there === undefined
      ? context.images.get(server.image.ref)
      : await sessionImage(engine, spec, {
          imageId: there.shape.imageId,
          imageRef: there.imageRef,
          hasShell: !there.shape.openStdin,
        });
  if (image === undefined) throw new LoomsError('image-not-found', `image ${server.image.ref} is not on this engine`);
  const { mode } = spec.network;
  if (spec.mcp.transport.kind !== 'stdio') await knowSecrets(ports, spec);
  const target = await sessionTarget(
    {
      engine,
      container,
      spec,
      image,
      relay: mode === 'none' ? undefined : context.relays.get(relayName(context.prepared.plan.project, mode)),
      // While two generations share the alias, only a container's own id is sure to name it: its default host name.
      host: hostNameOf(container),
    },
    ports.secrets,
  );
  // Looked at before it answers: one that is started again in between has not been asked.
  const run = (await engine.containerRunning(container, { signal }))?.run ?? '';
  const result = await runGate(await ports.openSession(), target, {
    timeoutMs: spec.mcp.timeoutSeconds * 1000,
    signal,
  });
  if (!result.passed) {
    // An engine that went away cut the session off, which says nothing about the server: this throws then.
    await target.engine.containerRunning(container, { signal });
    return { passed: false, failure: result.failure };
  }
  context.onHealthy({ server: spec.name, verdict: 'healthy', container, run, tools: result.tools, detail: '' });
  const unknown =
    result.unknownFilterNames.length === 0
      ? ''
      : `; the filter names tools it does not have: ${result.unknownFilterNames.join(', ')}`;
  return {
    passed: true,
    note: `${result.tools} ${result.tools === 1 ? 'tool' : 'tools'} in ${duration(result.milliseconds)}${unknown}`,
  };
}

const unsignedWarning =
  'the key of this machine cannot be used (`looms doctor` says why): what is made now is not signed, so it is asked about before it gets secrets, and a changed secret is not noticed';

/** Whether records of the servers that a plan makes can be signed, and their secrets be known again; makes the key. */
async function canSign(ports: Ports, { project, steps }: Plan): Promise<boolean> {
  const made = steps.find((step) => step.op === 'create-container' && step.container.role === 'server');
  if (made?.server === undefined) return true;
  return (await ports.secretPrints.print({ project, server: made.server }, {})) !== undefined;
}

/** Relays that are there already, and those that this run makes, by name. */
function relaysOf(prepared: Prepared): Map<string, ContainerId> {
  return new Map(
    prepared.observed.containers.filter((container) => container.role === 'relay').map(({ name, id }) => [name, id]),
  );
}

/** Takes note of a relay that was just made: the gates of its servers go through it. */
function noteRelay(event: ExecutionEvent, relays: Map<string, ContainerId>): void {
  if (event.type !== 'step-ended' || event.result.result !== 'ok' || event.result.container === undefined) return;
  const { step } = event;
  if (step.op === 'create-container' && step.container.role === 'relay') {
    relays.set(step.container.name, event.result.container);
  }
}

async function stepEnvironment(
  ports: Ports,
  prepared: Prepared,
  relays: Map<string, ContainerId>,
  onHealthy: GateContext['onHealthy'],
): Promise<StepEnvironment> {
  const { request, observed, plan } = prepared;
  const images = new Map(
    Object.entries(observed.images).flatMap(([ref, facts]) => (facts === null ? [] : [[ref, facts] as const])),
  );
  const servers = new Map(request.servers.map((server) => [server.spec.name, server]));
  const find = (name: ServerName): DeclaredServer => {
    const server = servers.get(name);
    if (server === undefined) throw new LoomsError('internal', `the plan names server ${name}, which was not declared`);
    return server;
  };
  return {
    engine: await ports.engine(),
    project: plan.project,
    managedBy: ports.managedBy,
    recipes: request.recipes,
    // No project: containers inherit an image's labels, and images are shared by projects.
    buildSettings: { proxies: proxySettings(ports.environment), labels: { [label.managedBy]: ports.managedBy } },
    images,
    gate: (server, container, options) =>
      gateContainer(
        { ports, prepared, images, relays, onHealthy },
        find(server),
        container,
        options.signal ?? new AbortController().signal,
      ),
    containerSecrets: async (server) => {
      const { spec } = find(server);
      const values = await sessionEnv(spec, ports.secrets);
      const secret = Object.fromEntries(Object.keys(secretVariables(spec)).map((name) => [name, values[name] ?? '']));
      const prints = await ports.secretPrints.print({ project: plan.project, server }, secret);
      return { values, ...(prints === undefined ? {} : { prints }) };
    },
    waitUntil: async (probe, limitMs, options) => {
      const deadline = ports.monotonicMs() + limitMs;
      while (!(await probe())) {
        if (options.signal?.aborted || ports.monotonicMs() >= deadline) return false;
        await ports.pause(200, options.signal);
      }
      return true;
    },
    recordable: (failure) => recordableFailure(failure, ports.mask),
    stopGraceSeconds,
  };
}

/** Characters of a failure that a record keeps: a label has to carry them. */
const longestFailure = 2000;

/** The error and the last lines of its detail. */
function recordableFailure({ code, message, detail }: Failure, mask: Ports['mask']): string {
  const lines = [`${code}: ${message}`, ...detail.slice(-5)].map((line) => mask(line).slice(0, longestFailure / 4));
  return lines.join('\n').slice(0, longestFailure);
}

/**
 * Carries a plan out: checks secrets, takes the project's lock, looks again (what was planned before may be old), and
 * walks the steps. A plan without steps returns at once and asks the engine for nothing. Servers are independent of one
 * another; the report says how each one ended.
 * Throws `record-untrusted`, `secret-missing`, `lock-held`, `plan-stale` when reality changed since the plan was
 * confirmed, and what the engine throws before the first step; after that, failures are in the report.
 */
export async function applyPlan(ports: Ports, prepared: Prepared, options: ApplyOptions): Promise<ApplyReport> {
  if (prepared.plan.steps.length === 0) return reportOf(prepared.plan, new Map(), new Set());
  await requireTrustInPlan(ports, prepared, false);
  await requireSecrets(ports, prepared.plan, prepared.request.servers);
  const lock = await takeLock(ports, prepared.plan.project, {
    timeoutMs: options.lockTimeoutMs,
    signal: options.stopSignal,
    onWait: options.onLockWait,
  });
  const timeUp = new AbortController();
  const timer = options.timeoutMs === undefined ? undefined : setTimeout(() => timeUp.abort(), options.timeoutMs);
  let report: ApplyReport;
  try {
    report = await applyLocked(ports, prepared, boundedBy(timeUp.signal, options), lock);
  } catch (error) {
    // What went wrong matters more than a lock that stays: that ends by itself.
    await lock.release();
    throw error;
  } finally {
    clearTimeout(timer);
  }
  const problem = await lock.release();
  return {
    ...report,
    ...(timeUp.signal.aborted && report.outcome === 'interrupted' ? { outcome: 'timed-out' } : {}),
    notices: problem === undefined ? report.notices : [...report.notices, lockStays(problem)],
  };
}

const healthNotKept = (why: string): string =>
  `what the gates found was not kept for \`looms mcp list\` and \`looms mcp info\` (${why})`;

const lockStays = (problem: string): string =>
  `the lock could not be released (${problem}); it ends by itself within a minute`;

const boundedBy = (limit: AbortSignal, options: ApplyOptions): ApplyOptions => ({
  ...options,
  stopSignal: AbortSignal.any([limit, options.stopSignal]),
  abortSignal: AbortSignal.any([limit, options.abortSignal]),
});

async function applyLocked(
  ports: Ports,
  confirmed: Prepared,
  options: ApplyOptions,
  lock: HeldLock,
): Promise<ApplyReport> {
  const prepared = await confirmed.replan(ports);
  if (prepared.plan.basis !== confirmed.plan.basis && !options.acceptNewPlan(prepared.plan)) {
    throw new LoomsError('plan-stale', 'the engine changed between the plan you confirmed and now', {
      detail: planDifferences(confirmed.plan, prepared.plan),
      hint: 'run the command again to see what it would do now; nothing was changed',
    });
  }
  // Once more: the plan, and the records it is made from, may be others by now, and the wait for the lock long.
  await requireTrustInPlan(ports, prepared, false);
  await requireSecrets(ports, prepared.plan, prepared.request.servers);
  const relays = relaysOf(prepared);
  const healthy: HealthFinding[] = [];
  const env = await stepEnvironment(ports, prepared, relays, (finding) => healthy.push(finding));
  if (!(await canSign(ports, prepared.plan))) ports.warn(unsignedWarning);
  const results = await executePlan(prepared.plan, env, {
    parallelism: options.parallelism ?? engineWidth(prepared.observed.engine.cpus),
    stopSignal: options.stopSignal,
    abortSignal: options.abortSignal,
    checkLock: lock.check,
    sink: (event) => {
      noteRelay(event, relays);
      options.sink(event);
    },
    monotonicMs: ports.monotonicMs,
  });
  const running = prepared.observed.containers.filter(({ state }) => state.status === 'running');
  const report = reportOf(prepared.plan, results, new Set(running.map(({ id }) => id)));
  if (healthy.length === 0) return report;
  const { engine, project } = prepared.plan;
  const kept = await ports.recordHealth({ engine: engine.id, project }, healthy);
  return kept.recorded ? report : { ...report, notices: [...report.notices, healthNotKept(kept.why)] };
}
