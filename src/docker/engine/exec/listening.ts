import { text } from 'node:stream/consumers';
import { type ContainerId, shortId } from '../../../model/ids.ts';
import { call } from '../connection/call.ts';
import type { Client } from '../connection/connection.ts';
import { openExec } from './exec.ts';

/** The kernel's number for a socket that listens. */
const listenState = '0A';

/** `2140FEA9:1538`, in the byte order of the machine that wrote it, which is little-endian wherever engines run. */
function addressOf(hex: string): string {
  const [address = '', port = ''] = hex.split(':');
  const bytes = address.match(/../g)?.toReversed() ?? [];
  return `${bytes.map((byte) => Number.parseInt(byte, 16)).join('.')}:${Number.parseInt(port, 16)}`;
}

/**
 * What listens in a container, as its kernel tells: nothing is connected to, so nothing outside hears of it. Throws as `call`
 * and `openExec` do, also where the engine goes silent once the exec has begun.
 */
export const listeningOn = (client: Client, id: ContainerId): Promise<readonly string[]> =>
  call(`read what listens in container ${shortId(id)}`, client, async (signal) => {
    const session = await openExec({ ...client, signal }, id, { argv: ['cat', '/proc/net/tcp'] });
    signal.addEventListener('abort', session.destroy, { once: true });
    const [table] = await Promise.all([text(session.stdout), text(session.stderr), session.ended]);
    return table
      .split('\n')
      .slice(1)
      .map((line) => line.trim().split(/\s+/))
      .flatMap(([, local = '', , state]) => (state === listenState ? [addressOf(local)] : []));
  });
