import { describe, expect, it, vi } from 'vitest';
import { type AuditRequest, readAudit } from '../../../src/app/inspect/read-audit.ts';
import type { Ports } from '../../../src/app/ports.ts';
import { recordCall, recordRefusal } from '../../../src/app/talk/record-call.ts';
import { renderCalls } from '../../../src/cli/render/audit.ts';
import { palette } from '../../../src/cli/terminal/palette.ts';
import { type ErrorCode, LoomsError } from '../../../src/model/errors.ts';
import type { Notice } from '../../../src/model/notices.ts';
import type { AuditTrail, CallEnd, CallRecord } from '../../../src/model/trail/audit.ts';
import { auditedCall } from '../../support/audit-calls.ts';
import { eventually } from '../../support/eventually.ts';

const now = Date.parse('2026-11-21T12:00:00.000Z');
const record = (seq: number, more: Partial<CallRecord> = {}): CallRecord => ({
  seq,
  call: String(seq),
  time: '2026-11-21T11:59:00.000Z',
  user: 'ada',
  host: 'desk',
  pid: 7,
  project: 'p',
  server: 'fs',
  generation: 1,
  container: 'c1',
  engine: '',
  protocolVersion: '',
  tool: `tool-${seq}`,
  ...more,
});

type World = { readonly records?: readonly CallRecord[]; readonly alive?: boolean; readonly audit?: AuditTrail };

const ports = ({ records = [], alive = true, audit }: World) =>
  ({
    auditReader: {
      calls: async function* ({ newestFirst }: { newestFirst?: boolean }) {
        yield* newestFirst ? records.toReversed() : records;
      },
    },
    audit,
    now: () => now,
    monotonicMs: () => 0,
    processIsAlive: () => alive,
    whoAmI: { user: 'ada', host: 'desk', pid: 1, command: '' },
  }) as unknown as Ports;

async function read(world: World, request: AuditRequest = {}): Promise<string[]> {
  const calls: string[] = [];
  for await (const { seq, result } of readAudit(ports(world), request)) calls.push(`${seq} ${result}`);
  return calls;
}

describe('reading the trail', () => {
  const records = [
    record(1, { result: 'ok' }),
    record(2, { result: 'failed' }),
    record(3, { result: 'ok' }),
    record(4, { result: 'ok' }),
  ];

  it('gives the last ones that fit, oldest first', async () => {
    expect(await read({ records })).toEqual(['1 ok', '2 failed', '3 ok', '4 ok']);
    expect(await read({ records }, { last: 2 })).toEqual(['3 ok', '4 ok']);
    expect(await read({ records }, { last: 3, results: ['ok'] })).toEqual(['1 ok', '3 ok', '4 ok']);
    expect(await read({ records }, { last: 9, results: ['failed'] })).toEqual(['2 failed']);
  });

  it('says of a call without an end whether it may still get one', async () => {
    const open = [record(1, { timeoutMs: 300_000 })];
    expect(await read({ records: open })).toEqual(['1 running']);
    expect(await read({ records: open, alive: false })).toEqual(['1 unknown']);
    expect(await read({ records: [record(1, { timeoutMs: 300_000, host: 'elsewhere' })] })).toEqual(['1 unknown']);
    // The id of that process belongs to another one by now.
    const old = [record(1, { timeoutMs: 300_000, time: '2026-11-21T11:00:00.000Z' })];
    expect(await read({ records: old })).toEqual(['1 unknown']);
  });

  it('shows what a caller named without letting it steer the terminal', async () => {
    const calls = [{ ...record(1, { tool: 'a\u001b[2Jb\n'.repeat(20) }), result: 'ok' as const }];
    const shown = { withProject: true, palette: palette(false) };
    const text = renderCalls(calls, { ...shown, width: 100 });
    for (const one of [text, renderCalls(calls, shown)]) {
      expect(one.split('\n')).toHaveLength(2);
      expect(one).not.toContain('\u001b');
    }
    expect(renderCalls(calls, shown)).toContain('a\\x1b[2Jb\\n'.repeat(20));
    expect(text.split('\n').map((line) => line.length <= 100)).toEqual([true, true]);
    expect(text).toMatch(/fs +1 +a\\x1b\[2Jb\\n.*… +- +- +ada@desk +ok$/);
  });
});

describe('recording a call', () => {
  /** A trail that remembers, or that cannot be written. */
  function trail(fails: 'nothing' | 'start' | 'end') {
    const ends: CallEnd[] = [];
    const refused: ErrorCode[] = [];
    const not = { written: false, why: 'the disk is full', hint: 'make room' } as const;
    const audit: AuditTrail = {
      prepare: () => {},
      started: async () => ({
        start: fails === 'start' ? not : { written: true },
        ended: async (end) => {
          ends.push(end);
          return fails === 'end' ? not : { written: true };
        },
      }),
      changing: async () => ({ start: { written: true }, ended: async () => ({ written: true }) }),
      refused: async (_, code) => {
        refused.push(code);
        return { written: true };
      },
    };
    const warnings: Notice[] = [];
    return { ports: ports({ audit }), ends, refused, warnings, onWarning: (one: Notice) => warnings.push(one) };
  }

  it.each<[ErrorCode, string]>([
    ['json-rpc-error', 'json-rpc-error'],
    ['call-timeout', 'timeout'],
    ['interrupted', 'interrupted'],
    ['server-exited', 'server-exited'],
    ['tool-not-found', 'refused'],
    ['engine-unreachable', 'failed'],
  ])('an error %s is the result %s, and is passed on', async (code, result) => {
    const { ports, ends, onWarning } = trail('nothing');
    const error = new LoomsError(code, 'x');
    const failing = recordCall(ports, auditedCall(), { onWarning, limit: undefined }, async () => {
      throw error;
    });
    await expect(failing).rejects.toBe(error);
    expect(ends).toMatchObject([{ result, code }]);
  });

  it('says once that a record is missing, and gives the result all the same', async () => {
    const result = { content: [] };
    for (const fails of ['start', 'end'] as const) {
      const { ports, warnings, onWarning } = trail(fails);
      expect(await recordCall(ports, auditedCall(), { onWarning, limit: undefined }, async () => result)).toBe(result);
      expect(warnings).toMatchObject([{ code: 'not-audited', hint: 'make room' }]);
    }
  });

  it('gives the result before its end is written where nobody waits for that, and says when it could not be', async () => {
    const { ports, warnings, onWarning, ends } = trail('end');
    const result = { content: [] };
    const written = Promise.withResolvers<void>();
    const slow: Ports = {
      ...ports,
      audit: {
        ...ports.audit,
        started: async (call) => {
          const { start, ended } = await ports.audit.started(call);
          return { start, ended: (end, when) => written.promise.then(() => ended({ ...end, when } as CallEnd)) };
        },
      },
    };
    const recording = { onWarning, limit: undefined, end: 'soon' } as const;
    expect(await recordCall(slow, auditedCall(), recording, async () => result)).toBe(result);
    expect(ends).toEqual([]);
    written.resolve();
    await eventually(() => expect(warnings).toMatchObject([{ code: 'not-audited', hint: 'make room' }]));
    expect(ends).toMatchObject([{ result: 'ok', when: 'soon' }]);
  });

  it('makes no call that a quota could not count', async () => {
    const limit = { limit: 5, severity: 'error', from: 'policy.yaml:2' } as const;
    const { ports, warnings, onWarning } = trail('start');
    const make = vi.fn();
    await expect(recordCall(ports, auditedCall(), { onWarning, limit }, make)).rejects.toMatchObject({
      code: 'refused',
      message:
        'this call cannot be counted, and project p is allowed at most 5 a day (policy.yaml:2): the disk is full',
      hint: 'make room',
    });
    expect([make.mock.calls, warnings]).toEqual([[], []]);
  });

  it('records as refused what is the caller’s doing, and nothing else', async () => {
    const { ports, refused, onWarning } = trail('nothing');
    for (const code of ['tool-not-found', 'session-failed', 'arguments-invalid'] as const) {
      const preparing = recordRefusal(ports, auditedCall(), onWarning, async () => {
        throw new LoomsError(code, 'x');
      });
      await expect(preparing).rejects.toMatchObject({ code });
    }
    expect(refused).toEqual(['tool-not-found', 'arguments-invalid']);
  });
});
