import { LoomsError } from '../../model/errors.ts';
import type { ProjectName, ServerName } from '../../model/ids.ts';
import type { PageAct, PageDone } from '../../model/page/deeds.ts';
import { isInSync, type Plan } from '../../model/plan.ts';
import type { Policies } from '../../model/policy.ts';
import { applyWork } from '../apply/apply-plan.ts';
import { noteStopped } from '../apply/record-change.ts';
import { doesWhatWasSaid } from '../plan/does-what-was-said.ts';
import { planWork, type Work } from '../plan/plan-work.ts';
import type { Ports } from '../ports.ts';
import type { LoopView } from '../watch/loop-record.ts';

/** How long the lock of somebody else's run is waited for, ms: a person waits for the answer. */
const lockPatienceMs = 10_000;

type Signals = { readonly stop: AbortSignal; readonly abort: AbortSignal; readonly atOnce: AbortSignal };

/** Ports whose trail names the command that would do the same as the page does, and the principal for whom it is done. */
const asCommand = (ports: Ports, command: string, principal: string): Ports => ({
  ...ports,
  whoAmI: { ...ports.whoAmI, command, principal },
});

async function carryOut(
  ports: Ports,
  work: Work,
  { stop, abort, atOnce, accept }: Signals & { readonly accept: (plan: Plan) => boolean },
): Promise<PageDone> {
  const report = await applyWork(ports, work, {
    lockTimeoutMs: lockPatienceMs,
    acceptNewPlan: accept,
    stopSignal: stop,
    abortSignal: abort,
    atOnceSignal: atOnce,
    sink: () => {},
    onLockWait: () => {},
  });
  const { outcome, servers, support, notices } = report;
  return {
    outcome,
    servers: servers.map(({ server, outcome: one, failure = null }) => ({ server, outcome: one, failure })),
    notices: [...support.map(({ failure: { code, message } }) => ({ code, message })), ...notices],
  };
}

/**
 * Starts, stops or restarts a server as it is recorded, for a principal: the plan and the rules of `looms mcp`. Throws what
 * that throws, and `not-confirmed` where it would change more than was said.
 */
export async function actOn(
  ports: Ports,
  { deed, server }: Pick<PageAct, 'deed'> & { readonly server: ServerName },
  {
    project,
    policies,
    keep,
    principal,
    ...signals
  }: Signals & {
    readonly project: ProjectName;
    readonly policies: Policies;
    readonly keep: number | undefined;
    readonly principal: string;
  },
): Promise<PageDone> {
  const { workingDirectory: directory } = ports;
  const intent = { kind: 'recorded', project, servers: [server], wish: { kind: deed }, keep, directory } as const;
  const work = await planWork(ports, intent, { policies });
  const accept = deed === 'stop' ? () => true : doesWhatWasSaid;
  if (!accept(work.plan)) {
    throw new LoomsError('not-confirmed', `to ${deed} ${server} now would change more of it than that`, {
      hint: `\`looms mcp ${deed} ${server}\` shows the plan, and asks`,
    });
  }
  const asPerson = asCommand(ports, `looms mcp ${deed}`, principal);
  if (isInSync(work.plan)) {
    await noteStopped(asPerson, work);
    return { outcome: 'done', servers: [{ server, outcome: 'unchanged', failure: null }], notices: [] };
  }
  return carryOut(asPerson, work, { ...signals, accept });
}

/** Carries out the plan of a digest, which a loop found last, for a principal. Throws `plan-stale`, and what `apply` throws. */
export async function approvePlan(
  ports: Ports,
  digest: string,
  { loop, principal, ...signals }: Signals & { readonly loop: LoopView | undefined; readonly principal: string },
): Promise<PageDone> {
  if (loop === undefined) {
    throw new LoomsError('refused', 'no plan waits: no files are watched', {
      hint: 'looms serve --watch -f FILE watches them',
    });
  }
  const work = loop.look?.work;
  if (work === undefined || work.plan.basis !== digest) {
    throw new LoomsError('plan-stale', 'another plan waits by now', { hint: 'look at it before you approve it' });
  }
  if (isInSync(work.plan)) return { outcome: 'done', servers: [], notices: [] };
  return carryOut(asCommand(ports, 'looms apply', principal), work, { ...signals, accept: () => false });
}
