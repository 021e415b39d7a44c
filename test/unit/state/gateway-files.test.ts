import { existsSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { asProjectName } from '../../../src/model/ids.ts';
import { servePlaces, tokenOfFile } from '../../../src/state/gateway-files.ts';

describe('the token of a file', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'looms-token-'));
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));
  const tokenFileOf = (project: string): string =>
    servePlaces({ XDG_STATE_HOME: folder }, asProjectName(project)).tokenFile;

  test('is made where there is none, its owner’s alone, and is the same the next time', () => {
    const file = join(folder, 'ci.token');
    const made = tokenOfFile(file, tokenFileOf('team'));
    expect(made.name).toBe('ci');
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(tokenOfFile(file, tokenFileOf('team'))).toEqual(made);
  });

  test.each(['local.token', 'local'])('cannot be called %s: local is whoever comes by the socket', (name) => {
    const file = join(folder, name);
    expect(() => tokenOfFile(file, tokenFileOf('team'))).toThrow(`${file} cannot be the file of a token`);
    expect(existsSync(file)).toBe(false);
  });

  test('of a project called local has all of its name', () => {
    const file = tokenFileOf('local');
    expect(tokenOfFile(file, file).name).toBe('local.token');
  });
});
