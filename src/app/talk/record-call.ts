import type { CallResult } from '../../mcp/client/session.ts';
import { codeOf, type ErrorCode, LoomsError, traitsOf } from '../../model/errors.ts';
import type { Notice } from '../../model/notices.ts';
import type { QuotaLimit } from '../../model/policy.ts';
import type { AuditedCall, AuditedTarget, CallResultKind, Written } from '../../model/trail/audit.ts';
import { sayQuota } from '../../spec/check/quotas.ts';
import type { Ports } from '../ports.ts';

/** Hears of trouble with the audit trail; the call is made all the same. */
type OnWarning = (notice: Notice) => void;

type Recording = {
  readonly onWarning: OnWarning;
  /** How many calls a day there may be, where too many are refused: then a call that cannot be counted is, too. */
  readonly limit: QuotaLimit | undefined;
  /** Whether the result waits until the second record is written, or that follows `soon`. */
  readonly end?: 'awaited' | 'soon';
};

/**
 * Makes a call between its two records, and passes on what it does. Trouble with the trail is only said, once. Throws
 * `refused`, and makes no call, where there is a limit and the first record cannot be written.
 */
export async function recordCall(
  ports: Ports,
  call: AuditedCall,
  { onWarning, limit, end: how = 'awaited' }: Recording,
  make: () => Promise<CallResult>,
): Promise<CallResult> {
  const { start, ended } = await ports.audit.started(call);
  if (!start.written && limit !== undefined) {
    const allowed = `project ${call.project} is allowed at most ${limit.limit} a day (${sayQuota(limit)})`;
    const { hint } = start;
    throw new LoomsError('refused', `this call cannot be counted, and ${allowed}: ${start.why}`, { hint });
  }
  warn(start, 'this call is not in the audit trail', onWarning);
  const startedAt = ports.monotonicMs();
  const durationMs = () => Math.round(ports.monotonicMs() - startedAt);
  const end = async (...[one]: Parameters<typeof ended>): Promise<void> => {
    const writing = ended(one, how === 'soon' ? 'soon' : 'now').then((outcome) =>
      warn(outcome, 'the end of this call is not in the audit trail', onWarning),
    );
    if (how === 'awaited') await writing;
  };
  let result: CallResult;
  try {
    result = await make();
  } catch (error) {
    const code = codeOf(error);
    await end({ result: kindOf(code), code, durationMs: durationMs() });
    throw error;
  }
  const took = durationMs();
  // Canonical JSON has its keys in another order, and the same length.
  const resultBytes = Buffer.byteLength(JSON.stringify(result));
  await end({ result: result.isError === true ? 'tool-error' : 'ok', resultBytes, durationMs: took });
  return result;
}

/** Prepares a call; when it is refused, that is written. Passes on what `prepare` returns or throws. */
export async function recordRefusal<T>(
  ports: Ports,
  target: AuditedTarget,
  onWarning: OnWarning,
  prepare: () => Promise<T>,
): Promise<T> {
  try {
    return await prepare();
  } catch (error) {
    if (error instanceof LoomsError && traitsOf(error.code).refusal === true) {
      warn(await ports.audit.refused(target, error.code), 'this refusal is not in the audit trail', onWarning);
    }
    throw error;
  }
}

/** By codes alone; a code that says nothing about the server's answer is a failure on the way to it. */
function kindOf(code: ErrorCode): CallResultKind {
  switch (code) {
    case 'json-rpc-error':
      return 'json-rpc-error';
    case 'call-timeout':
      return 'timeout';
    case 'interrupted':
      return 'interrupted';
    case 'server-exited':
      return 'server-exited';
    case 'tool-not-found':
      return 'refused';
    default:
      return 'failed';
  }
}

function warn(outcome: Written, what: string, onWarning: OnWarning): void {
  if (!outcome.written) onWarning({ code: 'not-audited', message: `${what}: ${outcome.why}`, hint: outcome.hint });
}
