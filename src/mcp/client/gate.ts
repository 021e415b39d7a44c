import { performance } from 'node:perf_hooks';
import { LoomsError } from '../../model/errors.ts';
import type { Failure } from '../../model/events.ts';
import { failureOf } from '../../model/failure.ts';
import { duration } from '../../model/times.ts';
import type { GateResult, SessionSource, SessionTarget } from './session.ts';

/**
 * Whether a generation counts: it answers the handshake and `tools/list` within `timeoutMs` (docs/architecture.md,
 * gate). A server without tools passes with the handshake. The cause of a failure is the result, never an exception;
 * its code is the cause's own (`server-exited`, `handshake-timeout`, `session-failed`, `json-rpc-error`, `interrupted`,
 * `engine-…`). The session is closed again before this returns.
 */
export async function runGate(
  open: SessionSource,
  target: SessionTarget,
  options: { readonly timeoutMs: number; readonly signal?: AbortSignal | undefined },
): Promise<GateResult> {
  const started = performance.now();
  const tooLate = AbortSignal.timeout(options.timeoutMs);
  const signal = options.signal === undefined ? tooLate : AbortSignal.any([options.signal, tooLate]);
  try {
    const session = await open(target, {
      connectTimeoutMs: options.timeoutMs,
      lifetimeMs: options.timeoutMs + 10_000,
      signal: options.signal,
    });
    try {
      const { tools, unknownFilterNames } = await session.listTools({ signal });
      return {
        passed: true,
        tools: tools.length,
        server: session.server,
        protocolVersion: session.protocolVersion,
        milliseconds: Math.round(performance.now() - started),
        unknownFilterNames,
      };
    } finally {
      await session.close();
    }
  } catch (error) {
    if (!(error instanceof LoomsError)) throw error;
    const listTooSlow = error.code === 'interrupted' && options.signal?.aborted !== true;
    return { passed: false, failure: listTooSlow ? slowList(target, options.timeoutMs, error) : failureOf(error) };
  }
}

const slowList = (target: SessionTarget, timeoutMs: number, error: LoomsError): Failure => ({
  code: 'handshake-timeout',
  message: `${target.spec.name} did not answer tools/list within ${duration(timeoutMs)} of its start`,
  hint: `raise mcp_server.timeout_seconds if it starts slowly; \`looms logs ${target.spec.name}\` shows what it waits for, with --previous once its container is gone`,
  detail: error.detail,
});
