import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { describeProgress, lineDisplay, liveDisplay } from '../../../src/cli/render/progress/call-progress.ts';
import { palette } from '../../../src/cli/terminal/palette.ts';

function screen(columns = 60) {
  let raw = '';
  const write = (text: string) => {
    raw += text;
  };
  const options = {
    notice: (text: string) => write(`${text}\n`),
    write,
    palette: palette(false),
    columns,
    nowMs: () => Date.now(),
  };
  /** What is on the screen: a carriage return and an erase take the line away. */
  const shown = () => raw.split('\n').map((line) => line.split('\r\u001b[K').at(-1)?.trimEnd());
  return { options, shown };
}

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

describe('progress on a terminal', () => {
  it('is one line with a bar, the words of the server and the time, and gone in the end', () => {
    const { options, shown } = screen();
    const display = liveDisplay('db dump', options);
    display.progress({ progress: 3, total: 4, message: 'reading\ntable 3' });
    vi.advanceTimersByTime(1_000);
    expect(shown()).toEqual([expect.stringMatching(/^. ━{15}─{5} {2}75 % {2}reading table 3 {2}1s$/)]);
    display.finish();
    expect(shown()).toEqual(['']);
  });

  it('is a spinner with a count where no total is known', () => {
    const { options, shown } = screen();
    liveDisplay('db dump', options).progress({ progress: 12, message: 'rows' });
    vi.advanceTimersByTime(100);
    expect(shown()[0]).toMatch(/^. 12 {2}rows +100ms$/);
  });

  it('shows nothing of a quick call, and the name of one that says nothing', () => {
    const { options, shown } = screen();
    liveDisplay('db dump', options);
    vi.advanceTimersByTime(400);
    expect(shown()).toEqual(['']);
    vi.advanceTimersByTime(300);
    expect(shown()[0]).toMatch(/^. db dump +700ms$/);
  });

  it('makes room for notices, and for whoever is asked something', () => {
    const { options, shown } = screen();
    const display = liveDisplay('db dump', options);
    vi.advanceTimersByTime(1_000);
    display.notice('a notice');
    expect(shown()).toEqual(['a notice', '']);
    const restore = display.clear();
    vi.advanceTimersByTime(1_000);
    expect(shown()).toEqual(['a notice', '']);
    restore();
    vi.advanceTimersByTime(100);
    expect(shown()[1]).toMatch(/db dump/);
  });

  it('cannot be steered by a server, nor grow beyond the line', () => {
    const { options, shown } = screen(40);
    liveDisplay('db dump', options).progress({ progress: 1, message: `\u001b[31m${'x'.repeat(100)}` });
    vi.advanceTimersByTime(100);
    const line = shown()[0] ?? '';
    expect(line).toContain('\\x1b[31m');
    expect(line.length).toBeLessThanOrEqual(40);
  });
});

describe('progress elsewhere', () => {
  it('is a plain line at first, and then one every five seconds at most', () => {
    const { options, shown } = screen();
    const display = lineDisplay('db dump', options);
    for (let step = 1; step <= 100; step++) {
      display.progress({ progress: step, total: 100, message: `table ${step}` });
      vi.advanceTimersByTime(100);
    }
    expect(shown()).toEqual(['[db dump] 1 of 100  table 1', '[db dump] 51 of 100  table 51', '']);
  });

  it('says a count without a total', () => {
    expect(describeProgress({ progress: 7 })).toBe('7');
  });
});
