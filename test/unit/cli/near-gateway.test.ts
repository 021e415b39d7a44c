import { once } from 'node:events';
import { mkdtempSync } from 'node:fs';
import { createConnection, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { nearCommands } from '../../../src/cli/near/near-commands.ts';
import { frameOf, kinds } from '../../../src/cli/near/near-frames.ts';
import { asProjectName } from '../../../src/model/ids.ts';
import { type RunningGateway, runGateway } from '../../../src/serve/run.ts';
import { createSeal } from '../../../src/serve/sessions/seal.ts';
import { key, localUpstreams } from '../serve/local-gateway.ts';

// Programs at the gateway's socket must not keep it from ending, whatever they say or leave unsaid.

const sockets: Socket[] = [];
afterEach(() => {
  for (const socket of sockets.splice(0)) socket.destroy();
});

async function start(): Promise<RunningGateway> {
  const warm = { orchestrator: expect.fail, openSession: expect.fail, auditTrail: expect.fail } as never;
  const served = { version: '1', root: '/', project: asProjectName('p'), engine: undefined, log: () => {} };
  const commands = nearCommands({ ...served, commands: {}, warm });
  return runGateway(localUpstreams(), {
    bounds: { idleMs: 60_000, most: 4, mostEach: 4 },
    seal: createSeal(key, 'p'),
    version: '1',
    log: () => {},
    socket: join(mkdtempSync(join(tmpdir(), 'looms-near-')), 's'),
    near: { take: commands.take, kept: () => [], close: async () => commands.stop() },
  });
}
/** A connection that keeps its side open for good. */
async function upgraded({ socket }: RunningGateway, protocol: string): Promise<Socket> {
  const connection = createConnection({ path: socket, allowHalfOpen: true });
  sockets.push(connection);
  connection.write(`GET /looms HTTP/1.1\r\nhost: localhost\r\nconnection: upgrade\r\nupgrade: ${protocol}\r\n\r\n`);
  await once(connection, 'data');
  return connection;
}

test.each<readonly [string, string, string | undefined]>([
  ['says nothing', 'looms', undefined],
  ['was declined, and stays', 'looms', JSON.stringify({ argv: ['apply'], version: '0', view: '' })],
  ['wanted something else, and stays', 'websocket', undefined],
])('a gateway ends while a program is connected that %s', async (_, protocol, command) => {
  const running = await start();
  const connection = await upgraded(running, protocol);
  if (command !== undefined) {
    connection.write(frameOf(kinds.command, command));
    await once(connection, 'data');
  }
  const gone = once(connection, 'close');
  await running.close();
  connection.end();
  await gone;
});
