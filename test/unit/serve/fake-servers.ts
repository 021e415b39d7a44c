import type { Channel } from '../../../src/mcp/link/channel.ts';
import type { DesiredServer } from '../../../src/model/desired.ts';
import { LoomsError } from '../../../src/model/errors.ts';
import { asContainerId, asServerName } from '../../../src/model/ids.ts';
import { type Guard, openGuard } from '../../../src/serve/access/guard.ts';
import type { Message } from '../../../src/serve/messages/protocol.ts';
import type { Reply } from '../../../src/serve/messages/reply.ts';
import type { Upstreams } from '../../../src/serve/upstreams.ts';

export const fs = asServerName('fs');

/** A container whose process answers what `answer` says, and nothing where that is undefined. */
export type Fake = Channel & { readonly sent: Message[]; isClosed: boolean; readonly say: (message: object) => void };

export function fakeChannel(answer: (message: Message) => object | undefined): Fake {
  const channel: Fake = {
    sent: [],
    isClosed: false,
    say: (message) => {
      const whole = { jsonrpc: '2.0', ...message } as const;
      channel.ontext?.(JSON.stringify(whole), whole);
    },
    async send(_text, message) {
      if (channel.isClosed) throw new LoomsError('server-exited', 'it is gone');
      channel.sent.push(message as Message);
      const given = message.id === undefined || message.method === undefined ? undefined : answer(message as Message);
      if (given !== undefined) queueMicrotask(() => channel.say({ id: message.id, ...given }));
    },
    drop: () => false,
    async close() {
      channel.isClosed = true;
    },
  };
  return channel;
}

export const spec = {
  name: fs,
  mcp: { timeoutSeconds: 5, protocol: 'auto', tools: { exclude: [] }, transport: { kind: 'stdio' } },
  limits: { executionTimeoutSeconds: 5 },
} as unknown as DesiredServer;

/** The same, of which no more than `mcp` differs. */
export const specWith = (mcp: object): DesiredServer => ({ ...spec, mcp: { ...spec.mcp, ...mcp } });

/** Containers `1`, `2` … in the order in which they are opened. */
export function upstreamsOf(...channels: Fake[]): Upstreams & { readonly opened: () => number } {
  return upstreamsWith(spec, ...channels);
}

/** The same, made by this spec. */
export function upstreamsWith(own: DesiredServer, ...channels: Fake[]): Upstreams & { readonly opened: () => number } {
  let opened = 0;
  return {
    opened: () => opened,
    servers: async () => [fs],
    watch: async () => {},
    engineAnswers: async () => true,
    scaled: async () => [],
    scale: async () => 1,
    open: async () => {
      const channel = channels[opened];
      opened += 1;
      if (channel === undefined) throw new LoomsError('server-not-running', 'fs is stopped');
      return { channel, container: asContainerId(String(opened)), generation: opened, spec: own };
    },
    serving: async () => ({ container: asContainerId(String(channels.length)), drainSeconds: 30 }),
    record: async (_call, make) => void (await make()),
    refused: async () => {},
  };
}

/** Whoever is called so, and may do everything. */
export const guardOf = (name: string): Guard => ({ ...openGuard, name, key: name });

/** A reply that keeps what it is told, and what it is answered. */
export type Kept = Reply & { readonly told: string[]; readonly answered: string[] };

export function keptReply(): Kept {
  const kept: Kept = {
    told: [],
    answered: [],
    tell: (text) => kept.told.push(text) > 0,
    answer: (text) => void kept.answered.push(text),
    begin: () => {},
    end: () => {},
    isOpen: () => true,
  };
  return kept;
}
