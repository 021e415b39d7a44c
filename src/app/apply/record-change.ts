import { type ErrorCode, LoomsError } from '../../model/errors.ts';
import type { ProjectName, ServerName } from '../../model/ids.ts';
import { sourceText } from '../../model/source.ts';
import type { AuditedChange, ChangeEnd, Written } from '../../model/trail/audit.ts';
import { defined } from '../../model/values/defined.ts';
import type { ApplyReport, Prepared } from '../../orchestrator/port.ts';
import type { Ports } from '../ports.ts';

/** A change as whoever makes it tells it; who that is, the trail knows. */
type ToldChange = Omit<AuditedChange, 'command' | 'principal'>;

type End = Omit<ChangeEnd, 'durationMs'>;

/** A change whose first record is in the trail; one of these writes the second. */
export type BegunChange = {
  readonly ended: (how: End) => Promise<void>;
  readonly failed: (error: unknown) => Promise<void>;
};

/**
 * Writes that a change begins. Trouble with the trail is only said: it keeps nobody from repairing what is broken.
 */
export async function beginChange(ports: Ports, change: ToldChange): Promise<BegunChange> {
  const { command, principal } = ports.whoAmI;
  const trigger = principal === undefined ? 'person' : 'api';
  const { start, ended: write } = await ports.audit.changing({
    command,
    trigger,
    ...defined({ principal }),
    ...change,
  });
  const check = (what: string, written: Written): void => {
    if (written.written) return;
    ports.warn({ code: 'not-audited', message: `${what} is not in the audit trail: ${written.why}; ${written.hint}` });
  };
  check('this change', start);
  const startedAt = ports.monotonicMs();
  const ended = async (how: End): Promise<void> => {
    const durationMs = Math.round(ports.monotonicMs() - startedAt);
    check('the end of this change', await write({ ...how, durationMs }));
  };
  const failed = async (error: unknown): Promise<void> => {
    const failure: { readonly code: ErrorCode; readonly message?: string } =
      error instanceof LoomsError ? { code: error.code, message: ports.mask(error.message) } : { code: 'internal' };
    await ended({ result: failure.code === 'interrupted' ? 'interrupted' : 'failed', ...failure });
  };
  return { ended, failed };
}

/** Makes a change between its two records, and passes on what it does. */
export async function recordChange<T>(ports: Ports, change: ToldChange, make: () => Promise<T>): Promise<T> {
  const begun = await beginChange(ports, change);
  let made: T;
  try {
    made = await make();
  } catch (error) {
    await begun.failed(error);
    throw error;
  }
  await begun.ended({ result: 'done' });
  return made;
}

/** What the trail keeps of a reason: characters of a text, entries of a list. */
const longest = { text: 200, list: 20 };

/** Data with its texts masked, and cut to what the trail keeps. */
function keptOf<T>(value: T, mask: Ports['mask']): T {
  const kept = (one: unknown): unknown => {
    if (typeof one === 'string') {
      const text = mask(one);
      return text.length > longest.text ? `${text.slice(0, longest.text)}…` : text;
    }
    if (typeof one !== 'object' || one === null) return one;
    if (Array.isArray(one)) return one.slice(0, longest.list).map(kept);
    return Object.fromEntries(Object.entries(one).map(([name, part]) => [name, kept(part)]));
  };
  return kept(value) as T;
}

/** What a plan is about to change, and why. */
export function changeOf(
  { plan, servers, generations }: Prepared,
  {
    mask,
    eventBefore,
  }: { readonly mask: Ports['mask']; readonly eventBefore: (server: ServerName) => string | undefined },
): ToldChange {
  const sources = new Map(servers.map(({ spec, source }) => [spec.name, sourceText(source)] as const));
  return {
    project: plan.project,
    engine: plan.engine.id,
    servers: plan.changes.flatMap((change) => {
      const { server, action } = change;
      const reasons = 'reasons' in change ? keptOf(change.reasons, mask) : undefined;
      return action === 'unchanged'
        ? []
        : [
            {
              server,
              action,
              ...defined({
                gen: generations.get(server),
                source: sources.get(server),
                reasons,
                event: eventBefore(server),
              }),
            },
          ];
    }),
    support: plan.support.map(({ kind, name, action }) => ({ kind, name, action })),
  };
}

/** What became of a plan, for the trail: why a gate failed as well. */
export const endOfReport = ({ outcome, servers }: ApplyReport, mask: Ports['mask']): End => ({
  result: outcome,
  outcomes: servers.flatMap(({ server, outcome: one, failure }) =>
    one === 'unchanged'
      ? []
      : [
          {
            server,
            outcome: one,
            ...(failure === undefined ? {} : { code: failure.code, message: mask(failure.message) }),
          },
        ],
  ),
});

/**
 * Writes that servers are stopped by hand which a stop finds down already: a loop that is about to start them learns from
 * the trail alone that a person wants them down. Other plans write nothing.
 */
export async function noteStopped(ports: Ports, { plan, intent }: Pick<Prepared, 'plan' | 'intent'>): Promise<void> {
  if (intent.kind !== 'recorded' || intent.wish.kind !== 'stop') return;
  const down = plan.changes.flatMap(({ server, action }) => (action === 'unchanged' ? [server] : []));
  if (down.length === 0) return;
  const begun = await beginChange(ports, {
    project: plan.project,
    engine: plan.engine.id,
    servers: down.map((server) => ({ server, action: 'stop', reasons: [{ kind: 'requested' }] })),
  });
  await begun.ended({ result: 'done', outcomes: down.map((server) => ({ server, outcome: 'done' })) });
}

/** What the trail says of a token of a client that is made or revoked. */
export const tokenChange = (project: ProjectName, name: string, action: 'create' | 'remove'): ToldChange => ({
  project,
  support: [{ kind: 'token', name, action }],
});
