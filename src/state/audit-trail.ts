import { randomUUID } from 'node:crypto';
import { isoTime } from '../model/times.ts';
import type { AuditedCall, AuditTrail, Written } from '../model/trail/audit.ts';
import { canonicalJson } from '../model/values/canonical-json.ts';
import type { LedgerWriter } from './ledger-writer.ts';

type AuditSettings = {
  readonly writer: LedgerWriter;
  readonly who: { readonly user: string; readonly host: string; readonly pid: number };
  /** Masks the secrets in arguments that are kept; asked when a call starts. */
  readonly mask: (args: Readonly<Record<string, unknown>>) => unknown;
};

/**
 * The trail of calls and changes in the ledger of this machine. A call has two records, tied by an id: one from before it is sent,
 * in one transaction with the count of its container, and one from when it ended. So a call whose program was killed is
 * in the trail too, without an end. A change has two in the same way.
 */
export function createAuditTrail({ writer, who, mask }: AuditSettings): AuditTrail {
  const stamp = (event: string, call: string) => ({ v: 1, event, call, time: isoTime(Date.now()) });
  /** Of what is not written that it began, nothing is written that it ended. */
  const begun = (call: string, start: Written) => ({
    start,
    ended: async (end: object, when: 'now' | 'soon' = 'now'): Promise<Written> =>
      start.written
        ? writer.write({ json: canonicalJson({ ...stamp('ended', call), ...end }), part: 'ends' }, when)
        : { written: true },
  });
  return {
    prepare: writer.prepare,
    async started({ arguments: args, keepArguments, ...target }: AuditedCall) {
      const call = randomUUID();
      const text = canonicalJson(args);
      const record = {
        ...stamp('started', call),
        ...who,
        ...target,
        argumentsBytes: Buffer.byteLength(text),
        ...(keepArguments ? { arguments: mask(args) } : {}),
      };
      const json = canonicalJson(record);
      return begun(call, await writer.write({ json, arguments: text, counted: target.container, part: 'begins' }));
    },
    async changing(change) {
      const call = randomUUID();
      const json = canonicalJson({ ...stamp('change', call), ...who, ...change });
      return begun(call, await writer.write({ json, part: 'begins' }));
    },
    refused: (target, code) => {
      const record = { ...stamp('refused', randomUUID()), ...who, ...target, result: 'refused', code };
      return writer.write({ json: canonicalJson(record), part: 'whole' });
    },
  };
}
