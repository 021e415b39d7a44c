import { describe, expect, test, vi } from 'vitest';
import { exitCodeOfOutcome } from '../../../src/cli/exit-codes.ts';
import { chooseProject } from '../../../src/cli/project/project.ts';
import { renderDiagnostics } from '../../../src/cli/render/diagnostics/diagnostics.ts';
import { lineProgress } from '../../../src/cli/render/progress/progress-lines.ts';
import { continued, renderTable } from '../../../src/cli/render/table.ts';
import { displayWidth, truncate, visible } from '../../../src/cli/render/text.ts';
import { palette, wantsColor } from '../../../src/cli/terminal/palette.ts';
import type { Diagnostic } from '../../../src/model/diagnostics.ts';
import { age, duration } from '../../../src/model/times.ts';
import { nearest } from '../../../src/model/values/nearest.ts';
import { everyChange } from './plans.ts';

const plain = palette(false);

describe('code frames', () => {
  const finding = (line: number, column: number, length: number, more: Partial<Diagnostic> = {}): Diagnostic => ({
    severity: 'error',
    code: 'some-code',
    message: 'something is wrong',
    position: { file: 'a.yaml', line, column },
    length,
    path: 'a.b',
    related: [],
    ...more,
  });
  const show = (text: string, diagnostic: Diagnostic, width = 100): string =>
    renderDiagnostics([diagnostic], [{ file: 'a.yaml', text }], { palette: plain, width });

  test('mark the text, with its neighbours, the places that belong to it, and the hint', () => {
    const related = [{ position: { file: 'a.yaml', line: 1, column: 1 }, length: 3, message: 'first here' }];
    expect(show('one: 1\ntwo: 2\nthree: 3\n', finding(2, 1, 3, { related, hint: 'do this' }))).toBe(
      `error[some-code]: something is wrong
  at a.yaml:2:1  a.b
  1 │ one: 1
  2 │ two: 2
    │ ^^^
  3 │ three: 3
  and a.yaml:1:1  first here
  1 │ one: 1
    │ ^^^
  2 │ two: 2
hint: do this`,
    );
  });

  test('of many findings in one file split that file into lines once', () => {
    const text = 'comand: x\n'.repeat(50);
    const findings = Array.from({ length: 50 }, (_, index) => finding(index + 1, 1, 6));
    const split = vi.spyOn(String.prototype, 'split');
    renderDiagnostics(findings, [{ file: 'a.yaml', text }], { palette: plain, width: 100 });
    const whole = split.mock.contexts.filter((one) => String(one) === text);
    split.mockRestore();
    expect(whole).toHaveLength(1);
  });

  test('stand under the marked text behind wide characters and tabs', () => {
    expect(show('名前: x', finding(1, 5, 1))).toContain('│ 名前: x\n    │       ^');
    expect(show('\tx: 1', finding(1, 2, 1))).toContain('│   x: 1\n    │   ^');
  });

  test('show the part of a long line that matters', () => {
    const text = `${'a'.repeat(500)}HERE${'b'.repeat(500)}`;
    const frame = show(text, finding(1, 501, 4), 80)
      .split('\n')
      .slice(2);
    expect(frame[0]).toMatch(/│ …a{20}HEREb+…$/);
    expect(frame[1]).toMatch(/│ {22}\^{4}$/);
    expect(Math.max(...frame.map((line) => line.length))).toBeLessThanOrEqual(80);
  });

  test('mark what is hidden where the finding is about a part of it', () => {
    const token = ['ghp', 'x'.repeat(36)].join('_');
    const frame = show(`env: { GREET: ${token} }`, finding(1, 15, 40), 80)
      .split('\n')
      .slice(-2);
    expect(frame[0]).toMatch(/│ env: \(secret\)$/);
    expect(frame[1]).toMatch(/│ {6}\^{8}$/);
  });

  test('hide values of credentials, also on the lines around', () => {
    const text = 'env:\n  API_TOKEN: hunter2-hunter2\n  OTHER: ${NOPE}\n  DB_PASSWORD: ${DB}\n';
    const shown = show(text, finding(3, 10, 7));
    expect(shown).not.toContain('hunter2');
    expect(shown).toContain('API_TOKEN: (secret)');
    expect(shown).toContain('DB_PASSWORD: ${DB}');
  });

  test('hide values that go on below the key of a credential, and nothing else below it', () => {
    const below = (lines: string): string[] => {
      const text = `env:\n${lines}\n`;
      return text.split('\n').flatMap((_, index) => show(text, finding(index + 1, 1, 1)).match(/hunter2|shown/g) ?? []);
    };
    for (const head of ['|-', '>', '|2 # text', '&pw |', '']) {
      expect(below(`  DB_PASSWORD: ${head}\n    hunter2\n\n    hunter2\n  # of another\n`)).toEqual([]);
    }
    expect(below('  - DB_PASSWORD: |\n      hunter2: hunter2\n      - hunter2')).toEqual([]);
    expect(below('  DB_PASSWORD:\n    # set by hand\n    hunter2')).toEqual([]);
    expect(below('  DB_PASSWORD: "hunter2\n    hunter2"')).toEqual([]);
    expect(new Set(below('  secrets:\n    - shown\n    name: shown\n  DB_PASSWORD: |\n  NAME: shown'))).toEqual(
      new Set(['shown']),
    );
  });

  test('survive positions outside the text', () => {
    expect(() => show('', finding(1, 1, 1))).not.toThrow();
    expect(() => show('a: 1', finding(9, 9, 9))).not.toThrow();
  });
});

describe('text', () => {
  test('from outside cannot steer the terminal', () => {
    expect(visible('a\u001b[2Jb\rc\u009bd')).toBe('a\\x1b[2Jb\\x0dc\\x9bd');
  });
  test('is measured in columns', () => {
    expect([displayWidth('abc'), displayWidth('日本'), displayWidth('e\u0301')]).toEqual([3, 4, 1]);
    expect(truncate('abcdef', 4)).toBe('abc…');
  });
  test('names durations and ages', () => {
    expect(
      [0, 87.4, 999.7, 4200, 9960, 59_600, 60_000, 185_000, 3_599_600, 7_800_000, 86_399_000].map(duration),
    ).toEqual(['0ms', '87ms', '1s', '4.2s', '10s', '1m', '1m', '3m5s', '1h', '2h10m', '1d']);
    expect(duration(93_600_000)).toBe('1d2h');
    expect([age(119_000), age(300_000), age(7_200_000), age(200_000_000)]).toEqual(['119s', '5m', '2h', '2d']);
  });
  test('suggests what was probably meant, and nothing when nothing is near', () => {
    expect(nearest('aply', ['apply', 'delete'])).toBe('apply');
    expect(nearest('read_file', ['readFile'])).toBe('readFile');
    expect(nearest('xyz', ['apply', 'delete'])).toBeUndefined();
  });
  test('aligns tables', () => {
    expect(
      renderTable(
        ['A', 'LONG'],
        [
          ['xyz', '1'],
          ['x', '22'],
        ],
        plain,
      ),
    ).toBe('A    LONG\nxyz  1\nx    22');
  });
  test('lets what does not fit into a cell go on below it, where nothing may be cut', () => {
    const headers = ['PROMISE', 'WHAT'];
    const rows = [
      ['network', { text: 'a, b and a-long-name', paint: plain.good }],
      ['root', 'none'],
    ];
    expect(renderTable(headers, continued(headers, rows, 16), plain)).toBe(
      ['PROMISE  WHAT', 'network  a, b', '         and', '         a-long-', '         name', 'root     none'].join(
        '\n',
      ),
    );
    expect(continued(headers, rows, 80)).toEqual(rows);
  });
});

describe('colours', () => {
  const wants = (environment: Record<string, string>, isTerminal = true, refused = false) =>
    wantsColor({ refused, environment, isTerminal });
  test('follow flag, FORCE_COLOR, NO_COLOR, terminal, in this order', () => {
    expect(wants({}, true)).toBe(true);
    expect(wants({}, false)).toBe(false);
    expect(wants({ NO_COLOR: '1' })).toBe(false);
    expect(wants({ NO_COLOR: '' })).toBe(true);
    expect(wants({ FORCE_COLOR: '1', NO_COLOR: '1' }, false)).toBe(true);
    expect(wants({ FORCE_COLOR: '0' })).toBe(false);
    expect(wants({ FORCE_COLOR: '1' }, true, true)).toBe(false);
    expect(wants({ TERM: 'dumb' })).toBe(false);
    expect(wants({ CI: 'true' })).toBe(false);
  });
});

describe('the project', () => {
  const choose = (flag?: string, environment?: string, file?: string) => chooseProject({ flag, environment, file });
  test('is the flag, the environment, the file, else an implicit default', () => {
    expect(choose('a', 'b', 'c')).toEqual({ name: 'a', explicit: true });
    expect(choose(undefined, 'b', 'c')).toEqual({ name: 'b', explicit: true, overridden: 'c' });
    expect(choose(undefined, 'b', 'b')).toEqual({ name: 'b', explicit: true });
    expect(choose(undefined, '', 'c')).toEqual({ name: 'c', explicit: true });
    expect(choose()).toEqual({ name: 'default', explicit: false });
    expect(choose('default')).toEqual({ name: 'default', explicit: true });
  });
});

describe('the exit code of an apply', () => {
  test('says what failed when all failures are of one kind', () => {
    expect(exitCodeOfOutcome('failed', ['engine-unreachable', 'engine-timeout'], undefined)).toBe(69);
    expect(exitCodeOfOutcome('failed', ['engine-unreachable', 'image-not-found'], undefined)).toBe(1);
    expect(exitCodeOfOutcome('failed', [], undefined)).toBe(1);
  });
  test('tells an interruption by its signal', () => {
    expect(exitCodeOfOutcome('interrupted', [], 'SIGINT')).toBe(130);
    expect(exitCodeOfOutcome('interrupted', [], 'SIGTERM')).toBe(143);
  });
});

test('progress without a terminal is a line a beginning and an end, and few in between', () => {
  const lines: string[] = [];
  let now = 0;
  const { sink } = lineProgress({ notice: (line) => lines.push(line), palette: plain, nowMs: () => now });
  const [step] = everyChange.steps;
  if (step === undefined) throw new Error('the plan has no step');
  sink({ type: 'step-started', step });
  for (now = 0; now < 12_000; now += 100)
    sink({ type: 'step-progress', step, progress: { text: 'layer', current: now, total: 12_000 } });
  sink({ type: 'step-ended', step, result: { result: 'ok', note: '3 tools' }, milliseconds: 12_000 });
  expect(lines).toEqual([
    '[delta] start looms-team-delta',
    '[delta] start looms-team-delta: 41 %  layer',
    '[delta] start looms-team-delta: 83 %  layer',
    '[delta] start looms-team-delta: done in 12s (3 tools)',
  ]);
});
