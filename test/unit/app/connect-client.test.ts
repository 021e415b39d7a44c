import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type ConnectRequest, connectClient, disconnectClient } from '../../../src/app/connect/connect-client.ts';
import type { ConnectPorts, EntryRecord } from '../../../src/app/connect/ports.ts';
import type { Client } from '../../../src/clients/client.ts';
import { clients } from '../../../src/clients/table.ts';
import { localFiles } from '../../../src/files/local-files.ts';
import { asProjectName, asServerName } from '../../../src/model/ids.ts';

const claude = clients.find(({ id }) => id === 'claude-code') as Client;
const shell = { kind: 'stdio' as const, command: '/bin/looms', args: ['mcp', 'stdio', 'fs'], env: {} };

describe('a client that writes its file while looms changes it', () => {
  let home: string;
  let file: string;
  let record: EntryRecord | undefined;
  beforeEach(() => {
    home = mkdtempSync(join(tmpdir(), 'looms-connect-'));
    file = join(home, '.claude.json');
    record = undefined;
  });
  afterEach(() => rmSync(home, { recursive: true, force: true }));

  const request: ConnectRequest = {
    ...{ client: claude, project: asProjectName('p'), server: asServerName('fs'), name: 'fs' },
    ...{ inProject: false, force: false, start: shell },
  };
  /** What its client does while the engine is asked, and while looms looks up what it wrote itself. */
  const portsWith = (meanwhile: { readonly servers?: () => void; readonly records?: () => void }): ConnectPorts => ({
    files: localFiles({}, home),
    workingDirectory: home,
    servers: async () => {
      meanwhile.servers?.();
      return [asServerName('fs')];
    },
    names: { separator: '__', maxName: 45 },
    place: { platform: 'linux', home, environment: {} },
    records: {
      read: async () => {
        meanwhile.records?.();
        return record;
      },
      write: async (made) => {
        record = made;
      },
      forget: async () => {
        record = undefined;
      },
    },
    tryEntry: async () => ['echo'],
    readToken: () => undefined,
  });
  const write = (content: object): void => writeFileSync(file, JSON.stringify(content));
  const read = (): Record<string, unknown> => JSON.parse(readFileSync(file, 'utf8'));
  const once = (work: () => void): (() => void) => {
    let isDone = false;
    return () => {
      if (!isDone) work();
      isDone = true;
    };
  };
  const stale = { mcpServers: { fs: { command: 'old', args: ['mcp', 'stdio', 'fs'] } } };

  test('keeps what it wrote while the engine was asked', async () => {
    write({ starts: 1 });
    await connectClient(portsWith({ servers: () => write({ starts: 2 }) }), request);
    expect(read()).toMatchObject({ starts: 2, mcpServers: { fs: { command: '/bin/looms' } } });
  });

  test('keeps what it wrote between the look at the file and its change, and its mode', async () => {
    write({ starts: 1, ...stale });
    chmodSync(file, 0o640);
    const ports = portsWith({ records: once(() => write({ starts: 2, ...stale })) });
    await connectClient(ports, { ...request, force: true });
    expect(read()).toMatchObject({ starts: 2, mcpServers: { fs: { command: '/bin/looms' } } });
    expect(statSync(file).mode & 0o777).toBe(0o640);
    expect(readdirSync(home)).toEqual(['.claude.json']);
  });

  test('keeps what it wrote while the entry was taken out', async () => {
    write({ starts: 1 });
    await connectClient(portsWith({}), request);
    const ports = portsWith({ records: once(() => write({ ...read(), starts: 2 })) });
    expect(await disconnectClient(ports, request)).toMatchObject({ action: 'removed' });
    expect(read()).toEqual({ starts: 2, mcpServers: {} });
  });

  test('keeps its file, which looms made and was about to remove', async () => {
    await connectClient(portsWith({}), request);
    expect(statSync(file).mode & 0o777).toBe(0o600);
    const ports = portsWith({ records: once(() => write({ ...read(), starts: 1 })) });
    expect(await disconnectClient(ports, request)).toMatchObject({ action: 'removed' });
    expect(read()).toMatchObject({ starts: 1 });
    await connectClient(portsWith({}), request);
    await disconnectClient(portsWith({}), request);
    expect(existsSync(file)).toBe(true);
  });

  test('is told to be closed where its file never holds still', async () => {
    let starts = 0;
    const change = (): void => write({ starts: ++starts, ...stale });
    change();
    const connecting = connectClient(portsWith({ records: change }), { ...request, force: true });
    await expect(connecting).rejects.toMatchObject({ code: 'file-not-writable' });
    expect(read()).toEqual({ starts, ...stale });
    expect(readdirSync(home)).toEqual(['.claude.json']);
  });
});
