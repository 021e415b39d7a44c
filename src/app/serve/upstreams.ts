import type { LinkOptions } from '../../mcp/link/link.ts';
import { openChannel } from '../../mcp/link/open-channel.ts';
import type { LinkSource } from '../../mcp/link/open-link.ts';
import { isHttp } from '../../model/desired.ts';
import { type ErrorCode, isFailure, LoomsError } from '../../model/errors.ts';
import type { ContainerId, ProjectName, ServerName } from '../../model/ids.ts';
import type { Notice } from '../../model/notices.ts';
import type { Policies, QuotaLimit } from '../../model/policy.ts';
import type { Serving } from '../../model/server-view.ts';
import { startOfDay } from '../../model/times.ts';
import { noTracing, type Tracing } from '../../model/trail/tracing.ts';
import { defined } from '../../model/values/defined.ts';
import type { Orchestrator } from '../../orchestrator/port.ts';
import type { CallOptions } from '../../orchestrator/session-host.ts';
import type { GatewayCall, Upstreams } from '../../serve/upstreams.ts';
import type { Ports } from '../ports.ts';
import { dailyLimit, requireCallsLeft } from '../talk/call-tool.ts';
import { trustedTarget } from '../talk/open-server.ts';
import { recordCall, recordRefusal } from '../talk/record-call.ts';
import { followWork } from '../talk/server-work.ts';
import { servingAwake } from '../talk/serving-awake.ts';
import { heldPolicies } from './held-policies.ts';

/** Lease of a process that is held, ms: whoever holds it renews it, so that it is what a killed gateway leaves behind. */
const leaseMs = 60_000;
/** How long a server may take to end by itself when its session is over, ms. */
const graceMs = 1_000;
/** How long the engine may take to say what serves, and others after the first to say what they have, ms. */
const lookMs = 5_000;
/** How long it may take to have another number of containers, for which it may count the sessions in each, ms. */
const scaleMs = 30_000;
/** How long it may take to show that it is there, ms. */
const answerMs = 2_000;

/** With which words the engine says that a server has nothing that serves; any other failure leaves that open. */
const servesNothing: ReadonlySet<ErrorCode> = new Set(['server-not-found', 'server-not-running']);

/** Whether the engine answers within 2 s. */
export async function engineAnswers(
  { orchestrator }: Pick<Ports, 'orchestrator'>,
  project: ProjectName,
): Promise<boolean> {
  try {
    // One listing: what does not change of an engine is not asked for again.
    await (await orchestrator()).instances(project, { signal: AbortSignal.timeout(answerMs) });
    return true;
  } catch {
    return false;
  }
}

/** Which run of its container a server over HTTP is in. */
async function runOf(
  { sessions }: Orchestrator,
  { container, spec }: Serving,
  options: CallOptions = {},
): Promise<string | undefined> {
  return isHttp(spec) ? (await sessions.containerRunning(container, options))?.run : undefined;
}

const noneKnown: ReadonlyMap<ContainerId, number> = new Map();

type Served = {
  readonly project: ProjectName;
  readonly policies: Policies;
  /** As they are by now; throws what keeps them from being used. */
  readonly readPolicies: () => Promise<Policies>;
  readonly openLink: LinkSource;
  readonly tracing: Tracing;
};

/** The servers of a project for a gateway: found on the engine, opened with their secrets, written down in the trail. */
export function upstreamsOf(
  ports: Ports,
  { project, policies: first, readPolicies, openLink, tracing }: Served,
  warn: (notice: Notice) => void,
): Upstreams {
  let engineId: Promise<string> | undefined;
  /** For the trail; a call does not fail because it is not known. Kept until a process is opened, by `open`. */
  const engine = async (): Promise<string> => {
    engineId ??= ports.orchestrator().then(async (one) => (await one.describe()).id);
    return engineId.catch(() => {
      engineId = undefined;
      return '';
    });
  };
  const target = async ({ principal, container, generation, spec, protocolVersion, tool }: GatewayCall) => {
    return {
      project,
      server: spec.name,
      generation,
      container,
      engine: await engine(),
      protocolVersion,
      tool,
      principal,
    };
  };
  const { monotonicMs } = ports;
  const policies = heldPolicies(first, { read: readPolicies, monotonicMs, warn });
  /** The day on which it was said that the project makes more calls than it should: once is enough. */
  let warnedOf = '';
  const holdQuota = async (): Promise<QuotaLimit | undefined> => {
    const { over, limit } = await requireCallsLeft(ports, project, await policies.now());
    const today = startOfDay(ports.now());
    if (over !== undefined && warnedOf !== today) {
      warnedOf = today;
      warn(over);
    }
    return limit;
  };
  let counting: Promise<void> = Promise.resolve();
  /**
   * Waits until the call before this one is in the trail, where calls are limited: those that begin at one moment would
   * all be counted before any of them. What it gives ends the turn, and may be called twice.
   */
  const turnToCount = async (): Promise<() => void> => {
    if (dailyLimit(project, await policies.now(), ports.now()) === undefined) return () => {};
    const before = counting;
    let end = (): void => {};
    counting = new Promise((resolve) => {
      end = resolve;
    });
    await before;
    return end;
  };
  const waking = new Map<ServerName, Promise<void>>();
  /** Wakes a server for all who wait for it. */
  const wakeOnce: Orchestrator['wake'] = (_project, server) => {
    const woken =
      waking.get(server) ??
      ports
        .orchestrator()
        .then((one) => one.wake(project, server))
        .finally(() => waking.delete(server));
    waking.set(server, woken);
    return woken;
  };
  const work = tracing === noTracing ? undefined : followWork(ports, tracing);
  return {
    tracing,
    servers: async () => {
      // One engine of several that hangs holds up no list of the others.
      const { servers } = await (await ports.orchestrator()).servers(project, { othersMs: lookMs });
      return servers.map(({ name }) => name);
    },
    async open(server, makeRoom, places) {
      const orchestrator = await ports.orchestrator();
      const serving = await servingAwake(
        { ...orchestrator, wake: wakeOnce },
        { project, server },
        {
          sessions: places?.sessions ?? noneKnown,
          onWaking: () => warn({ code: 'server-woken', message: `${server} is asleep: a session wakes it` }),
        },
      );
      places?.took(serving.container);
      // What is opened may be on another engine than what was, which ended with its processes.
      engineId = undefined;
      const { container, generation, spec } = serving;
      // Before it is opened: one that is started again meanwhile is left for its next run.
      const run = await runOf(orchestrator, serving);
      ports.forgetSecrets();
      await policies.readAnew();
      // No person waits here: what answers for one is the flag.
      const mayAskForTrust = ports.trust.acceptsAll;
      const linkTarget = await trustedTarget(ports, orchestrator, serving, { mayAskForTrust });
      const limitMs = spec.mcp.timeoutSeconds * 1000;
      const options: LinkOptions = {
        deadline: ports.monotonicMs() + limitMs,
        lifetimeMs: leaseMs,
        renews: true,
        graceMs,
        signal: AbortSignal.timeout(limitMs),
        onStray: () => {},
        onText: () => {},
        onConnected: () => {},
        onWaiting: makeRoom,
      };
      const link = await openLink(linkTarget, options, { signal: undefined, limitMs });
      const channel = await openChannel(link, server, limitMs);
      if (work !== undefined) {
        const { close } = channel;
        const left = work.opened({ server, container });
        Object.assign(channel, { close: () => close().finally(left) });
      }
      return { channel, container, generation, spec, ...defined({ run }) };
    },
    async scaled() {
      const orchestrator = await ports.orchestrator();
      if (!orchestrator.scales) return [];
      const { servers } = await orchestrator.servers(project, { signal: AbortSignal.timeout(lookMs) });
      return servers.flatMap(({ name, state, recorded, replicas: { asked } }) => {
        const scale = recorded?.spec.scale;
        const isOff = state === 'stopped' || state === 'disabled';
        return scale === undefined || scale.min === scale.max || isOff ? [] : [{ server: name, scale, asked }];
      });
    },
    async scale(server, to) {
      return (await ports.orchestrator()).scale(project, server, to, { signal: AbortSignal.timeout(scaleMs) });
    },
    engineAnswers: () => engineAnswers(ports, project),
    async watch(hear, signal) {
      // Whoever watches looks and begins anew.
      await ports
        .orchestrator()
        .then((one) => one.watchServers(project, hear, { signal }))
        .catch(() => {});
    },
    async serving(server) {
      try {
        const orchestrator = await ports.orchestrator();
        const options = { signal: AbortSignal.timeout(lookMs) };
        const serving = await orchestrator.serving(project, server, options);
        const { container, generation, spec } = serving;
        const run = await runOf(orchestrator, serving, options);
        const besides = serving.beside?.map((one) => ({
          container: one.container,
          generation: one.generation,
          ...(run === undefined ? {} : { run: one.run }),
        }));
        return {
          container,
          generation,
          drainSeconds: spec.lifecycle.drainSeconds,
          ...defined({ run, beside: besides }),
        };
      } catch (error) {
        if (isFailure(error, 'server-asleep')) return 'asleep';
        return error instanceof LoomsError && servesNothing.has(error.code) ? 'nothing' : 'unknown';
      }
    },
    async record(call, make) {
      const timeoutMs = call.spec.limits.executionTimeoutSeconds * 1000;
      const audit = await target(call);
      const endTurn = await turnToCount();
      let isMade = false;
      const counted = async (): Promise<unknown> => {
        const limit = await recordRefusal(ports, audit, warn, holdQuota);
        const audited = { ...audit, timeoutMs, arguments: call.arguments, keepArguments: false };
        return recordCall(ports, audited, { onWarning: warn, limit, end: 'soon' }, async () => {
          isMade = true;
          endTurn();
          const outcome = await (work?.during(call.container, call.within, make) ?? make());
          if (outcome.kind === 'failed') throw new LoomsError(outcome.code, outcome.message);
          return { content: [], ...outcome.result };
        });
      };
      await counted()
        .catch((error) => {
          // What it failed with was told to whoever made it.
          if (!isMade) throw error;
        })
        .finally(endTurn);
    },
    async refused(call, why) {
      const outcome = await ports.audit.refused(await target(call), why);
      if (!outcome.written)
        warn({
          code: 'not-audited',
          message: `a refusal is not in the audit trail: ${outcome.why}`,
          hint: outcome.hint,
        });
    },
  };
}
