import type { ProtocolChoice } from '../../model/desired.ts';
import { type ErrorCode, traitsOf } from '../../model/errors.ts';
import type { Findings } from '../../model/trail/findings.ts';
import { sha256 } from '../../model/values/sha256.ts';
import type { SessionTarget } from './session.ts';

/** What is remembered of a server's protocol belongs to this key: an image and what is run of it; undefined where the image is not known. */
export function memoryKey({ image, argv, spec }: SessionTarget): string | undefined {
  if (image === undefined) return undefined;
  const { command, args, transport } = spec.mcp;
  const run = JSON.stringify([image, argv, command ?? null, args, transport]);
  return sha256(run);
}

/**
 * The ways of connecting that are still worth a try after one failed. What is remembered can be out of date; and some
 * servers exit on any request before `initialize`: then the probe was the fault, not the server.
 */
export function nextChoice(
  tried: ProtocolChoice,
  wanted: ProtocolChoice,
  failure: ErrorCode,
): ProtocolChoice | undefined {
  if (wanted !== 'auto' || traitsOf(failure).retry === 'never') return undefined;
  if (tried !== 'auto') return 'auto';
  return failure === 'server-exited' ? 'legacy' : undefined;
}

/** The choice to begin with: what is remembered, where the era is to be found out. */
export async function firstChoice(
  wanted: ProtocolChoice,
  key: string | undefined,
  memory: Findings | undefined,
): Promise<ProtocolChoice> {
  if (wanted !== 'auto' || key === undefined) return wanted;
  switch (await memory?.recall(key)) {
    case 'legacy':
      return 'legacy';
    case 'modern':
      return '2026-07-28';
    default:
      return wanted;
  }
}

/** Whether a server ends when its input does. */
export type EndMemory = {
  readonly endsWithInput: () => Promise<boolean>;
  /** Takes note of how its process ended. */
  readonly ended: (how: { readonly byItself: boolean }) => Promise<void>;
};

export function endMemory(target: SessionTarget, memory: Findings | undefined): EndMemory {
  const server = memoryKey(target);
  const key = `${server} end`;
  if (memory === undefined || server === undefined) return { endsWithInput: async () => false, ended: async () => {} };
  return {
    endsWithInput: async () => (await memory.recall(key)) === 'by itself',
    async ended({ byItself }) {
      const how = byItself ? 'by itself' : 'ended';
      if ((await memory.recall(key)) !== how) await memory.remember(key, how);
    },
  };
}
