import type { EngineDescription } from '../../model/engine.ts';
import type { ServerName } from '../../model/ids.ts';
import type { Plan } from '../../model/plan.ts';
import { ownName } from '../../model/serve-settings.ts';
import { idOfSeveral } from '../../orchestrator/several/describe.ts';
import type { Ports } from '../ports.ts';
import type { LeftAlone } from './told.ts';

/** The command that is a person's word that a server shall not run; whatever else stops one does so for a file. */
const stopByHand = 'looms mcp stop';
/** So long a stop may be under way, ms: `drain_seconds` may be an hour. */
const longestStopMs = 3_900_000;

type Needs = Pick<Ports, 'auditReader' | 'now' | 'orchestrator'>;

/** Whether an engine is the one of a plan; `maybe`: one of its engines does not answer, and so does not say its id. */
type Same = 'same' | 'maybe' | 'another';

/**
 * Compares engines with that of a plan, whatever it was called when a change was made: one of several has its own id where it
 * was named alone (`--context`), and had it before looms.yaml named several.
 */
function comparing({ orchestrator }: Needs, { engine }: Plan): (id: string | undefined) => Promise<Same> {
  let described: Promise<EngineDescription> | undefined;
  return async (id) => {
    if (id === engine.id || id === idOfSeveral) return 'same';
    if (engine.kind !== 'several') return 'another';
    described ??= orchestrator().then((several) => several.describe());
    const now = await described;
    if (now.kind !== 'several') return 'another';
    if (Object.values(now.engines).some((one) => one.id === id)) return 'same';
    return Object.keys(now.away).length > 0 ? 'maybe' : 'another';
  };
}

/**
 * Who stopped a server by hand, where that is the last that looms did with it on the engine of a plan; `docker stop` is drift.
 * A stop that failed is none: the server ran on. One that is under way has stopped it before its end is written down. What
 * ended before its first step, as for want of the lock, did nothing with any server.
 */
export function stopsByHand(
  needs: Needs,
  plan: Plan,
): (server: ServerName) => Promise<Extract<LeftAlone, { readonly why: 'stopped-by-person' }> | undefined> {
  const compare = comparing(needs, plan);
  const { auditReader, now } = needs;
  return async (server) => {
    const asked = { project: plan.project, servers: [server], newestFirst: true };
    for await (const { servers = [], outcomes = [], ...change } of auditReader.changes(asked)) {
      // What is cleared away beside a server neither starts nor stops it.
      if (!servers.some((one) => one.server === server && one.action !== 'clean-up')) continue;
      if (outcomes.length === 0 && (change.result === 'failed' || change.result === 'interrupted')) continue;
      const same = await compare(change.engine);
      if (same === 'another') continue;
      const isDone = outcomes.some((one) => one.server === server && one.outcome === 'done');
      const isUnderWay = change.result === undefined && Math.abs(now() - Date.parse(change.time)) < longestStopMs;
      if (change.command === stopByHand && (isDone || isUnderWay)) {
        const { user, principal = ownName, time } = change;
        return { why: 'stopped-by-person', user: principal === ownName ? user : principal, time };
      }
      // Where it is not known whose change it was, only a stop counts: a server that runs against a person's word is worse.
      if (same === 'same') return undefined;
    }
    return undefined;
  };
}
