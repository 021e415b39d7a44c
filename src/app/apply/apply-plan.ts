import { LoomsError } from '../../model/errors.ts';
import type { Failure } from '../../model/events.ts';
import { failureOf } from '../../model/failure.ts';
import type { ServerName } from '../../model/ids.ts';
import type { Notice } from '../../model/notices.ts';
import { processEnv } from '../../model/secrets/secret-names.ts';
import type { ChangeCause } from '../../model/trail/audit.ts';
import { defined } from '../../model/values/defined.ts';
import { mapBounded } from '../../model/values/map-bounded.ts';
import type { ApplyOptions, ApplyReport, Prepared } from '../../orchestrator/port.ts';
import { resolveEnv } from '../../secrets/resolve-env.ts';
import { type MissingSecret, missingSecrets } from '../plan/missing-secrets.ts';
import type { Work } from '../plan/plan-work.ts';
import { requireSamePaths } from '../plan/require-rules.ts';
import type { Ports } from '../ports.ts';
import { type BegunChange, beginChange, changeOf, endOfReport, noteStopped } from './record-change.ts';
import { requireTrustInPlan } from './require-trust.ts';
import { type TracedRun, traceRun } from './trace-run.ts';

/** A missing secret is an error before anything is stopped (docs/spec.md, Variables and secrets). */
async function requireSecrets(ports: Ports, { servers, gated }: Prepared): Promise<void> {
  const missing: MissingSecret[] = [];
  for (const { spec, source } of servers) {
    if (!gated.has(spec.name)) continue;
    const found = await resolveEnv(processEnv(spec), ports.secrets);
    missing.push(...found.missing.map((one) => ({ ...one, server: spec.name, source })));
  }
  if (missing.length > 0) throw missingSecrets(missing);
}

/** For how many servers secrets are looked up at once: where a store is away, each look-up takes its whole limit. */
const lookUpsAtOnce = 8;

/** What keeps servers from being given the secrets that a plan needs for them, by server. Throws `interrupted`. */
export async function secretTroubles(ports: Ports, prepared: Prepared): Promise<ReadonlyMap<ServerName, Failure>> {
  const troubles = new Map<ServerName, Failure>();
  const gated = prepared.servers.filter(({ spec }) => prepared.gated.has(spec.name));
  await mapBounded(gated, lookUpsAtOnce, async (server) => {
    const { name } = server.spec;
    const untrusted = prepared.untrusted.filter(({ spec }) => spec.name === name);
    try {
      await requireTrustInPlan(ports, { ...prepared, untrusted }, false);
      await requireSecrets(ports, { ...prepared, servers: [server] });
    } catch (error) {
      if (!(error instanceof LoomsError) || error.code === 'interrupted') throw error;
      troubles.set(name, failureOf(error));
    }
  });
  return troubles;
}

const unsignedWarning =
  'the key of this machine cannot be used (`looms doctor` says why): what is made now is not signed, so it is asked about before it gets secrets, and a changed secret is not noticed';

/** Whether records of the servers that a plan makes can be signed, and their secrets be known again; makes the key. */
async function canSign(ports: Ports, { plan: { project }, made }: Prepared): Promise<boolean> {
  const [server] = made;
  return server === undefined || (await ports.secretPrints.print({ project, server }, {})) !== undefined;
}

const healthNotKept = (why: string): Notice => ({
  code: 'health-not-kept',
  message: `what the gates found was not kept for \`looms mcp list\` and \`looms mcp info\` (${why})`,
});

/** What had a plan carried out, and for each server the event before that, by its id. */
export type Occasion = Pick<ChangeCause, 'trigger'> & {
  readonly eventBefore: (server: ServerName) => string | undefined;
};

type ApplyWorkOptions = Omit<ApplyOptions, 'check'> & {
  /** Absent: whoever runs the command stands behind it. */
  readonly occasion?: Occasion;
  /** Called first under the lock, with the plan that was made there; throws where it is not to be carried out any more. */
  readonly stillWanted?: (again: Prepared) => Promise<void>;
  /** Called when all is well, right before the first step. */
  readonly onBegin?: (again: Prepared) => void;
};

/**
 * Carries a plan out under the project's lock, and keeps what its gates found. Secrets and trust are looked at before the
 * lock is waited for, and once more under it: the plan, and the records it is made from, may be others by then. The trail
 * has what could not begin as well, but not what was not wanted any more. Throws `record-untrusted`, `secret-missing`, what
 * `stillWanted` throws, and what `Orchestrator.apply` throws.
 */
export async function applyWork(
  ports: Ports,
  work: Work,
  { occasion, stillWanted, onBegin, ...options }: ApplyWorkOptions,
): Promise<ApplyReport> {
  const orchestrator = await ports.orchestrator();
  const mayHaveSecrets = async (prepared: Prepared): Promise<void> => {
    await requireTrustInPlan(ports, prepared, false);
    await requireSecrets(ports, prepared);
  };
  if (work.plan.steps.length > 0) await mayHaveSecrets(work);
  const check: ApplyOptions['check'] = async (again) => {
    const warnings = work.hold(again);
    if (again.intent.kind === 'files') {
      await requireSamePaths(
        ports,
        again.servers.map(({ spec }) => spec),
      );
    }
    await mayHaveSecrets(again);
    if (!(await canSign(ports, again))) ports.warn({ code: 'not-signed', message: unsignedWarning });
    return warnings;
  };
  const run = async ({ planned, sink, traceId }: TracedRun): Promise<ApplyReport> => {
    const begin = (prepared: Prepared): Promise<BegunChange> =>
      beginChange(ports, {
        ...changeOf(prepared, { mask: ports.mask, eventBefore: (server) => occasion?.eventBefore(server) }),
        ...defined({ trigger: occasion?.trigger, traceId }),
      });
    let begun: BegunChange | undefined;
    let unwanted: unknown;
    let report: ApplyReport;
    try {
      report = await orchestrator.apply(work, {
        ...options,
        sink,
        check: async (again) => {
          planned();
          try {
            await stillWanted?.(again);
          } catch (error) {
            unwanted = error;
            throw error;
          }
          const warnings = await check(again);
          await noteStopped(ports, again);
          // Only now it is known what will be done, and why: the engine may have changed since this was planned.
          if (again.plan.steps.length > 0) {
            begun = await begin(again);
            onBegin?.(again);
          }
          return warnings;
        },
      });
    } catch (error) {
      if (error === unwanted) throw error;
      begun ??= await begin(work);
      await begun.failed(error);
      throw error;
    }
    await begun?.ended(endOfReport(report, ports.mask));
    return report;
  };
  const report = await (work.plan.steps.length > 0
    ? traceRun(ports, { project: work.plan.project, sink: options.sink }, run)
    : orchestrator.apply(work, { ...options, check }));
  if (report.healthy.length === 0) return report;
  const { engine, project } = report.plan;
  const kept = await ports.recordHealth({ engine: engine.id, project }, report.healthy);
  return kept.recorded ? report : { ...report, notices: [...report.notices, healthNotKept(kept.why)] };
}
