import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { withoutEngine } from '../support/images.ts';
import { kubectlProgram } from '../support/kubectl.ts';
import { emptyFolder, type Finished } from '../support/looms.ts';
import { formsOf, hashesOf, heldBySecrets } from '../support/secret-search.ts';
import {
  failingSpec,
  isLongEnough,
  secretsOfShapes,
  talkerSpec,
  type Variables,
  webSpec,
} from '../support/telling-servers.ts';
import { specs } from '../support/tiny-server.ts';
import { type LeakPlace, leakPlace } from './leak-places.ts';

// One run on an engine of either kind, and every place that it leaves something in.

const shapes = secretsOfShapes('quux');
const names = Object.keys(shapes);
/** What the secrets are changed to while their servers run; the short ones stay. */
const later = Object.fromEntries(
  Object.entries(secretsOfShapes('vexx')).map(([name, value]) => [isLongEnough(value) ? `later ${name}` : name, value]),
);
const variable = (index: number): string => `V_${index + 1}`;
/** Each server has secrets of its own, of the same values. */
type Whose = 'talker' | 'web';
const reference = (whose: Whose, index: number): string => `${whose}-${index + 1}`;
const given = (whose: Whose): Variables =>
  Object.fromEntries(names.map((_, index) => [variable(index), `\${secret:${reference(whose, index)}}`]));

/** What was looked at: the kind of place, its text, and whether servers speak in it. */
type Seen = { readonly place: string; readonly text: string; readonly serversSpeak: boolean };

describe.skipIf(kubectlProgram === '' && withoutEngine())('over a whole run no secret of any shape is anywhere', () => {
  let at: LeakPlace;
  let secrets: Readonly<Record<string, string>> = {};
  const cwd = emptyFolder();
  const state = emptyFolder();
  const env = { XDG_STATE_HOME: state, XDG_DATA_HOME: state, XDG_CONFIG_HOME: state, HOME: state };
  const web = (more: object = {}) => webSpec(given('web'), more);

  const seen: Seen[] = [];
  /** What servers wrote by themselves: that is what the mask of `mcp logs` is for. */
  const written: string[] = [];
  const commandLines = new Set<string>();
  let watching: NodeJS.Timeout;

  const writeSecrets = (servers: readonly Whose[], values: readonly string[]): void => {
    for (const whose of servers) {
      for (const [index, value] of values.entries()) {
        // One newline at the end of a file is not part of the secret.
        writeFileSync(join(cwd, 'secrets', reference(whose, index)), `${value}\n`);
      }
    }
  };
  const say = (place: string, { stdout, stderr }: Finished): void => {
    seen.push({ place, text: stdout + stderr, serversSpeak: true });
  };
  const run = async (place: string, args: readonly string[], code: number, stdin = '', more = {}): Promise<void> => {
    const result = await at.run(args, { cwd, env: { ...env, ...more }, stdin });
    expect(result, args.join(' ')).toExit(code);
    say(place, result);
  };
  /** Whether a Secret of the engine holds anything, and whether a call is under way. */
  const look = async (): Promise<{ readonly isHeld: boolean; readonly isCalled: boolean }> => {
    let [isHeld, isCalled] = [false, false];
    for await (const [place, text] of at.look()) {
      isHeld ||= place === heldBySecrets;
      isCalled ||= at.isOfCall(place, text);
      if (place.startsWith('log of')) written.push(text);
      else seen.push({ place: place.split(' ').slice(0, 3).join(' '), text, serversSpeak: false });
    }
    return { isHeld, isCalled };
  };
  const lookAtFiles = (): void => {
    for (const file of readdirSync(join(state, 'looms'), { recursive: true, withFileTypes: true })) {
      if (!file.isFile()) continue;
      const text = readFileSync(join(file.parentPath, file.name)).toString('latin1');
      seen.push({ place: 'state folder', text, serversSpeak: false });
    }
  };

  beforeAll(async () => {
    at = await leakPlace();
    secrets = { ...shapes, ...later, ...at.secrets };
    mkdirSync(join(cwd, 'secrets'));
    writeSecrets(['talker', 'web'], Object.values(shapes));
    writeFileSync(join(cwd, 'looms.yaml'), 'secrets: { providers: [{ type: directory, path: ./secrets }] }\n');
    watching = setInterval(() => {
      for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
        try {
          commandLines.add(readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' '));
        } catch {
          // It ended in this moment.
        }
      }
    }, 100);
  });
  afterAll(async () => {
    clearInterval(watching);
    await at?.clean();
  });

  test('in a run that applies, calls, fails, goes back, rotates and deletes', async () => {
    const debug = { LOOMS_DEBUG: '1' };
    const planFile = join(cwd, 'plan.json');
    const talks = at.talker(talkerSpec(given('talker')));
    await run('apply', ['apply', '-f', '-', '--yes', '--verbose'], 0, specs(talks, web()), debug);
    await look();
    for (const flags of [[], ['--json']]) {
      await run('diff', ['diff', '-f', '-', ...flags], 0, specs(talks, web()));
      await run('answers', ['mcp', 'call', 'talker', 'tell', '{"a":1}', '--audit-arguments', ...flags], 0);
      await run('answers that say error', ['mcp', 'call', 'talker', 'fail', ...flags], 5);
      await run('JSON-RPC errors', ['mcp', 'call', 'talker', 'break', ...flags], 5, '', debug);
      await run('servers that end', ['mcp', 'call', 'talker', 'quit', ...flags], 69, '', debug);
      await run('logs', ['mcp', 'logs', 'talker', 'web', ...flags], 0);
      await run('describe', ['describe', 'talker', 'web', ...flags], 0);
      await run('info', ['mcp', 'info', 'talker', ...flags], 0);
      for (const command of ['get', 'stats', 'events', 'posture']) await run(command, [command, ...flags], 0);
    }
    const call = at.start(['mcp', 'call', 'talker', 'wait'], { cwd, env });
    await eventually(async () => expect(await look()).toMatchObject({ isCalled: true }), 60_000);
    call.child.kill('SIGINT');
    say('calls that are given up', await call.finished);
    await run('get as YAML', ['get', '-o', 'yaml'], 0);
    for (const to of ['kubernetes', 'compose']) {
      const exports = await at.run(['export', '-f', '-', '--to', to], {
        cwd,
        env,
        stdin: specs(talkerSpec(given('talker')), web()),
      });
      say('export', exports);
      expect(exports.stdout).toContain('talker');
    }
    await at.more(run);
    const serving = at.start(['serve'], { cwd, env });
    await eventually(() => expect(serving.stdout()).toContain('until Ctrl-C'), 60_000);
    await run('answers through a gateway', ['mcp', 'call', 'talker', 'tell'], 0);
    await run('errors through a gateway', ['mcp', 'call', 'talker', 'quit'], 69, '', debug);
    serving.child.kill('SIGINT');
    say('serve', await serving.finished);
    for (const flags of [[], ['--json'], ['--verbose']]) {
      const failing = specs(talks, failingSpec(web(), 'ends'));
      await run('failed gate', ['apply', '-f', '-', '--yes', ...flags], 4, failing, debug);
    }
    for (const [how, failing] of [
      ['refuses', specs(failingSpec(talks, 'refuses'), web())],
      ['refuses over HTTP', specs(talks, failingSpec(web(), 'refuses over HTTP'))],
    ] as const) {
      await run(`failed gate that ${how}`, ['apply', '-f', '-', '--yes', '--verbose'], 4, failing, debug);
    }
    await look();
    await run('saved plan', ['diff', '-f', '-', '--out', planFile], 2, specs(talks, web({ timeout_seconds: 20 })));
    seen.push({ place: 'file of a saved plan', text: readFileSync(planFile, 'utf8'), serversSpeak: false });
    await run('apply of a saved plan', ['apply', planFile], 0);
    for (const flags of [[], ['--json']]) await run('history', ['history', 'web', ...flags], 0);
    await run('rollback', ['rollback', 'web', '--yes', '--verbose'], 0, '', debug);
    await look();
    writeSecrets(at.renewed, Object.values(later));
    await run('rotation', ['apply', '-f', '-', '--yes', '--verbose'], 0, specs(talks, web()), debug);
    await look();
    for (const flags of [[], ['--json'], ['--previous']]) {
      await run('logs after a rotation', ['logs', ...at.renewed, ...flags], 0);
      if (!flags.includes('--previous')) await run('history', ['history', 'web', ...flags], 0);
    }
    for (const flags of [[], ['--json']]) await run('audit', ['audit', ...flags], 0);
    await run('delete', ['delete', '--all', '--yes', '--verbose'], 0, '', debug);
    expect(await look()).toMatchObject({ isHeld: false });
    await run('prune', ['prune', '--yes'], 0);
    lookAtFiles();
    for (const [place, text] of at.atEnd()) seen.push({ place, text, serversSpeak: false });
    seen.push({ place: 'command lines of the host', text: [...commandLines].join('\n'), serversSpeak: false });
  }, 900_000);

  const found = (text: string, name: string): boolean =>
    formsOf(secrets[name] ?? '').some(
      (form) => text.includes(form) || text.includes(Buffer.from(form).toString('latin1')),
    );
  const isMasked = (name: string): boolean => isLongEnough(secrets[name] ?? '');

  test('and the search would have found them', () => {
    const control = `x ${shapes.plain} ${Buffer.from(shapes.unicode ?? '').toString('base64')}`;
    expect(found(control, 'plain')).toBe(true);
    expect(found(control, 'unicode')).toBe(true);
    expect(found(control, '8 KiB')).toBe(false);
    const masked = seen.filter(({ text }) => text.includes('(secret)')).map(({ place }) => place);
    expect([...new Set(masked)]).toEqual(
      expect.arrayContaining([
        ...['answers', 'JSON-RPC errors', 'servers that end', 'logs', 'failed gate'],
        ...['answers through a gateway', ...at.masked],
      ]),
    );
    // In the engine's log a server may say what it likes; there each of them is found.
    const said = written.join('');
    expect(names.filter((name) => isMasked(name) && !found(said, name))).toEqual([]);
    expect(commandLines.size).toBeGreaterThan(20);
    at.expectLooked((place) => seen.filter((one) => one.place === place).map(({ text }) => text));
  });

  test('as the count of each kind of place shows', () => {
    const hashes = new Map(
      Object.values(shapes).flatMap((value, index) =>
        hashesOf(variable(index), value).map((hash) => [hash, `hash of ${names[index]}`] as const),
      ),
    );
    const hashedIn = (text: string): readonly string[] =>
      [...text.matchAll(/(?<![0-9a-f])[0-9a-f]{12}/g)].flatMap(([hash]) => hashes.get(hash) ?? []);
    const counts = new Map<string, { texts: number; characters: number; searched: number; found: string[] }>();
    for (const { place, text, serversSpeak } of seen) {
      // Where they must be.
      if (place === heldBySecrets) continue;
      const count = counts.get(place) ?? { texts: 0, characters: 0, searched: 0, found: [] };
      counts.set(place, count);
      count.texts += 1;
      count.characters += text.length;
      const searched = Object.keys(secrets).filter((name) => !serversSpeak || isMasked(name));
      count.searched = searched.length;
      count.found.push(...searched.filter((name) => found(text, name)), ...hashedIn(text));
    }
    const rows = [...counts].map(
      ([place, { texts, characters, searched, found }]) =>
        `${place.padEnd(36)} ${String(texts).padStart(4)} texts ${String(characters).padStart(9)} characters ${searched} secrets: ${
          found.length === 0 ? 'none' : [...new Set(found)].join(', ')
        }`,
    );
    process.stdout.write(`${rows.join('\n')}\n`);
    expect([...counts].filter(([, count]) => count.found.length > 0)).toEqual([]);
    expect(seen.length).toBeGreaterThan(60);
  });
});
