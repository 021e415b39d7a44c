import type { AuditedChange, ChangeEnd, ServerChangeRecord, Written } from '../../model/audit.ts';
import type { DeclaredServer } from '../../model/desired.ts';
import { type ErrorCode, LoomsError } from '../../model/errors.ts';
import type { Failure } from '../../model/events.ts';
import { messageOf } from '../../model/failure.ts';
import type { Plan, Reason } from '../../model/plan.ts';
import type { ApplyReport } from '../../orchestrator/port.ts';
import type { Ports } from '../ports.ts';

type ChangePorts = Pick<Ports, 'audit' | 'mask' | 'warn' | 'monotonicMs' | 'whoAmI'>;

/** Characters of a reason that are kept: the whole of it stands in the history of the server. */
const mostOfReason = 500;

/** How a change went, as far as its result says it; what it throws is a failure. */
type Outcome = Pick<ChangeEnd, 'result' | 'code' | 'why' | 'servers'>;

/**
 * Makes a change between its two records in the audit trail, and passes on what it returns or throws. Trouble with the
 * trail is only said: it must not keep anybody from repairing something.
 *
 * @param outcomeOf what is written of it when it returns
 */
export async function recordChange<T>(
  ports: ChangePorts,
  change: Omit<AuditedChange, 'command'>,
  make: () => Promise<T>,
  outcomeOf: (value: T) => Outcome = () => ({ result: 'done' }),
): Promise<T> {
  const command = ports.whoAmI.command.replace(/^looms /, '');
  const { start, ended } = await ports.audit.changed({ command, ...change });
  warn(ports, start, 'this change is not in the audit trail');
  const startedAt = ports.monotonicMs();
  const end = async (outcome: Outcome) => {
    const durationMs = Math.round(ports.monotonicMs() - startedAt);
    warn(ports, await ended({ ...outcome, durationMs }), 'the end of this change is not in the audit trail');
  };
  let value: T;
  try {
    value = await make();
  } catch (error) {
    const code: ErrorCode = error instanceof LoomsError ? error.code : 'internal';
    await end({
      result: code === 'interrupted' ? 'interrupted' : 'failed',
      code,
      why: shortened(ports, messageOf(error)),
    });
    throw error;
  }
  await end(outcomeOf(value));
  return value;
}

/** What a plan does to servers, each with the file and the commit that declare it. */
export const plannedChange = ({
  plan,
  servers,
}: {
  readonly plan: Plan;
  readonly servers: readonly DeclaredServer[];
}): Omit<AuditedChange, 'command'> => ({
  project: plan.project,
  engine: plan.engine.id,
  servers: changesOf(plan, servers),
});

/** What came of a plan, by server. */
export function changeOutcome(
  ports: Pick<Ports, 'mask'>,
  { outcome, plan, servers: ended, support }: ApplyReport,
  declared: readonly DeclaredServer[],
): Outcome {
  const [failed] = support;
  return {
    result: outcome,
    ...(failed === undefined ? {} : whyOf(ports, failed.failure)),
    servers: changesOf(plan, declared).map((change) => {
      const { outcome: result, failure } = ended.find(({ server }) => server === change.server) ?? {};
      return {
        ...change,
        ...(result === undefined ? {} : { result }),
        ...(failure === undefined ? {} : whyOf(ports, failure)),
      };
    }),
  };
}

/** Lines of what a server wrote that are kept with the reason of its failure. */
const keptLines = 3;

const whyOf = (ports: Pick<Ports, 'mask'>, { code, message, detail }: Failure) => ({
  code,
  why: shortened(ports, [message, ...detail.slice(-keptLines)].join('; ')),
});

const changesOf = (plan: Plan, declared: readonly DeclaredServer[]): readonly ServerChangeRecord[] =>
  plan.changes
    .filter(({ action }) => action !== 'unchanged')
    .map((change) => {
      const source = declared.find(({ spec }) => spec.name === change.server)?.source;
      return {
        server: change.server,
        action: change.action,
        reasons: 'reasons' in change ? change.reasons.map(reasonText) : [],
        ...(source === undefined ? {} : { file: source.file }),
        ...(source?.commit === undefined ? {} : { commit: source.commit }),
      };
    });

/** A reason without values: those of a spec may be anything, and a trail is kept for long. */
function reasonText(reason: Reason): string {
  if ('fields' in reason) return `${reason.kind} ${reason.fields.map(({ path }) => path).join(', ')}`;
  if (reason.kind === 'secret-changed') return `${reason.kind} ${reason.variables.join(', ')}`;
  return 'detail' in reason && reason.detail !== undefined ? `${reason.kind}: ${reason.detail}` : reason.kind;
}

function shortened({ mask }: Pick<Ports, 'mask'>, text: string): string {
  const masked = mask(text);
  return masked.length <= mostOfReason ? masked : `${masked.slice(0, mostOfReason - 1).toWellFormed()}…`;
}

function warn(ports: ChangePorts, outcome: Written, what: string): void {
  if (!outcome.written) ports.warn(`${what}: ${outcome.why}; ${outcome.hint}`);
}
