import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { run } from '@oclif/core/run';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { showHelp } from '../../src/cli/help.ts';
import { emptyFolder } from '../support/looms.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const { commands } = JSON.parse(readFileSync(join(root, 'oclif.manifest.json'), 'utf8'));
const names = Object.keys(commands).map((id) => id.split(':'));
const pages = [[], ...names.filter(([, second]) => second !== undefined).map(([topic]) => [topic]), ...names];

/** What oclif writes to standard output meanwhile. */
async function written(work: () => Promise<unknown>): Promise<string> {
  let text = '';
  const spy = vi.spyOn(console, 'log').mockImplementation((line = '') => {
    text += `${line}\n`;
  });
  try {
    await work();
  } finally {
    spy.mockRestore();
  }
  return text;
}

describe('help', () => {
  afterEach(() => vi.unstubAllEnvs());

  test('says of each command and topic, byte for byte, what oclif says by itself', async () => {
    vi.stubEnv('XDG_CONFIG_HOME', emptyFolder());
    for (const page of pages) {
      const words = [...page, '--help'] as string[];
      const theirs = await written(() => run(words, { root }));
      const ours = await written(async () => expect(await showHelp(words, root)).toBe(true));
      expect(ours, words.join(' ')).toBe(theirs);
      expect(ours).toContain('USAGE');
    }
  });

  test('is left to oclif where the user has a theme for it', async () => {
    const home = emptyFolder();
    vi.stubEnv('XDG_CONFIG_HOME', home);
    mkdirSync(join(home, 'looms'));
    writeFileSync(join(home, 'looms', 'theme.json'), '{"bin":"red"}');
    expect(await written(async () => expect(await showHelp(['--help'], root)).toBe(false))).toBe('');
  });
});
