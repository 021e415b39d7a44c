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
import { renderConnected } from '../../../src/cli/render/connect.ts';
import { palette } from '../../../src/cli/terminal/palette.ts';
import type { Client } from '../../../src/clients/client.ts';
import { clients } from '../../../src/clients/table.ts';
import { localFiles } from '../../../src/files/local-files.ts';
import { asProjectName, asServerName } from '../../../src/model/ids.ts';

const claude = clients.find(({ id }) => id === 'claude-code') as Client;
const plain = palette(false);
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
    ...{ inProject: false, force: false, start: shell, unheld: [] },
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

describe('what a call made from the entry found', () => {
  let home: string;
  beforeEach(() => {
    home = mkdtempSync(join(tmpdir(), 'looms-connect-'));
  });
  afterEach(() => rmSync(home, { recursive: true, force: true }));

  /** What is said where the list has these tools; `known`: the project's servers, or that nobody can say. */
  const foundWith = async (
    tools: readonly string[],
    known: readonly string[] | Error,
    http?: ConnectRequest['http'],
    unheld: readonly string[] = [],
  ) => {
    const ports: ConnectPorts = {
      files: localFiles({}, home),
      workingDirectory: home,
      servers: async () => {
        if (known instanceof Error) throw known;
        return known.map(asServerName);
      },
      names: { separator: '__', maxName: 45 },
      place: { platform: 'linux', home, environment: { LOOMS_TOKEN: 't' } },
      records: { read: async () => undefined, write: async () => {}, forget: async () => {} },
      tryEntry: async () => tools,
      readToken: () => 't',
    };
    const connected = await connectClient(ports, {
      ...{ client: claude, project: asProjectName('p'), server: undefined, name: 'looms' },
      ...{ inProject: false, force: false, start: shell, unheld, ...(http === undefined ? {} : { http }) },
    });
    return renderConnected(connected, plain).split('\n').slice(1).join('\n');
  };

  test('names the servers that no tool came from', async () => {
    expect(await foundWith(['fs__read', 'fs__write'], ['fs', 'time', 'web'])).toBe(
      '✓ a call made from it found 1 of 3 servers with 2 tools\n' +
        'note: no tool came from time, web: not running, without tools, or not answering within the 5 s that a list waits',
    );
    expect(await foundWith([], ['fs', 'time'])).toBe(
      '✓ a call made from it found 0 of 2 servers with 0 tools\n' +
        'note: no server of project p has tools now: does one run?',
    );
  });

  test.each([
    ['all are there', ['fs'], undefined],
    ['the engine does not answer', new Error('away'), undefined],
    ['the list is of another project', ['time'], undefined],
    ['the address was named', ['fs', 'time'], { url: 'http://127.0.0.1:1', tokenFile: 'f', wasAsked: true }],
  ])('names none where %s', async (_, known, http) => {
    expect(await foundWith(['fs__read'], known, http)).toBe('✓ a call made from it found 1 server with 1 tool');
  });

  test('says which rules of looms.yaml a command may be started without, and nothing of them for an address', async () => {
    const rules = ['serve.policy', 'serve.scan'];
    expect(await foundWith(['fs__read'], ['fs'], undefined, rules)).toBe(
      '✓ a call made from it found 1 server with 1 tool\n' +
        'note: the command has nothing of serve.policy, serve.scan of looms.yaml where Claude Code starts it in another ' +
        'folder; an entry with the address of `looms serve --listen 127.0.0.1:7777` has',
    );
    const http = { url: 'http://127.0.0.1:1', tokenFile: 'f', wasAsked: false };
    expect(await foundWith(['fs__read'], ['fs'], http, rules)).toBe('✓ a call made from it found 1 server with 1 tool');
  });
});
