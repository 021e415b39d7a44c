import { withEngineHealth } from '../../src/cli/render/servers/servers.ts';
import { byteSize, visible } from '../../src/cli/render/text.ts';
import {
  inNoFile,
  type PageHealth,
  type PageServer,
  type PageSource,
  type Unknown,
} from '../../src/model/page/state.ts';
import { age } from '../../src/model/times.ts';

/** How something is, for its colour; its word and its shape say it too. */
export type Tone = 'good' | 'busy' | 'warn' | 'bad' | 'quiet';

/** The shape beside a word. */
export type MarkShape = 'disc' | 'half' | 'triangle' | 'cross' | 'turn' | 'dots' | 'square' | 'diamond' | 'ring';

export type MarkWords = { readonly word: string; readonly tone: Tone; readonly shape: MarkShape };

const healthMarks: Readonly<Record<PageHealth['state'], Omit<MarkWords, 'word'>>> = {
  healthy: { tone: 'good', shape: 'disc' },
  slow: { tone: 'warn', shape: 'half' },
  failing: { tone: 'warn', shape: 'triangle' },
  down: { tone: 'bad', shape: 'cross' },
  repairing: { tone: 'busy', shape: 'turn' },
  waiting: { tone: 'warn', shape: 'dots' },
  asleep: { tone: 'quiet', shape: 'half' },
  stopped: { tone: 'quiet', shape: 'square' },
  blocked: { tone: 'bad', shape: 'diamond' },
  unknown: { tone: 'quiet', shape: 'ring' },
};

const stateMarks: Readonly<Record<NonNullable<PageServer['state']>, Omit<MarkWords, 'word'>>> = {
  running: { tone: 'quiet', shape: 'ring' },
  paused: { tone: 'warn', shape: 'square' },
  asleep: { tone: 'quiet', shape: 'half' },
  stopped: { tone: 'quiet', shape: 'square' },
  disabled: { tone: 'quiet', shape: 'square' },
  restarting: { tone: 'bad', shape: 'turn' },
  pending: { tone: 'warn', shape: 'dots' },
  dead: { tone: 'bad', shape: 'cross' },
};

/** How a server is, in one word: what the loop says of its health, else what `looms get` says of its state. */
export function markOf({ state, health }: Pick<PageServer, 'state' | 'health'>): MarkWords {
  if (health.state !== 'unknown') return { word: health.state, ...healthMarks[health.state] };
  return state === null ? { word: 'not there', tone: 'bad', shape: 'cross' } : { word: state, ...stateMarks[state] };
}

/** How a server's health is, by itself. */
export const healthMark = ({ state }: PageHealth): MarkWords => ({ word: state, ...healthMarks[state] });

/** The state of a server as `looms get` has it. */
export const stateWord = ({ state }: Pick<PageServer, 'state'>): string =>
  state === null ? 'not there' : withEngineHealth({ state, engineHealth: null });

const signs = {
  unchanged: '',
  create: '+',
  replace: '+/-',
  start: '~',
  stop: '~',
  rename: '~',
  'clean-up': '~',
  scale: '~',
  remove: '-',
  blocked: '!',
} as const;

/** What `diff` says of a server, short: its sign and what would be done, and how many fields somebody changed by hand. */
export function diffWords({ drift }: Pick<PageServer, 'drift'>): {
  readonly text: string;
  readonly long: string;
  readonly tone: Tone;
} {
  if (drift.kind === 'unknown') {
    const text = drift.why === inNoFile ? 'in no file' : '?';
    return { text, long: `unknown: ${visible(drift.why)}`, tone: 'quiet' };
  }
  if (drift.action === 'unchanged' && drift.fields === 0) return { text: 'in sync', long: 'in sync', tone: 'quiet' };
  const fields = drift.fields === 0 ? '' : ` · ${drift.fields} drift`;
  return {
    text: `${signs[drift.action]} ${drift.action}${fields}`.trim(),
    long: visible(drift.text),
    tone: drift.action === 'blocked' || drift.action === 'remove' ? 'bad' : 'warn',
  };
}

export const isUnknown = (value: object): value is Unknown => 'kind' in value && value.kind === 'unknown';

/** `files, read 12s ago`, `0123456789ab by Ann, read 40s ago`. `now` in ms since the epoch. */
export function sourceWords(source: PageSource | Unknown, now: number): string {
  if (isUnknown(source)) return visible(source.why);
  const { commits, commitBy, readAt } = source;
  const commit = commits.map((id) => id.slice(0, 12)).join(', ');
  // Without the address: that, and who signed it, is told where the commit is.
  const author = commitBy === null ? '' : ` by ${commitBy.replace(/\s*<.*$/s, '')}`;
  const what = commit === '' ? source.kind : commit + author;
  return `${visible(what)}${readAt === null ? '' : `, read ${ago(readAt, now)}`}`;
}

/** How long ago a moment was: `12s ago`. */
export const ago = (moment: string, now: number): string => `${age(now - Date.parse(moment))} ago`;

/** The time of day of a moment, UTC: `14:30:27`. */
export const timeOfDay = (moment: string): string => moment.slice(11, 19);

/** A share of a limit, whole percents; undefined without a limit. */
export const shareOf = (value: number | null, limit: number | null): number | undefined =>
  value === null || limit === null || limit <= 0 ? undefined : value / limit;

/** From this share on a server is near a limit, as `looms stats` marks it. */
export const nearFrom = 0.8;

export const percent = (share: number): string => `${Math.round(share * 100)}%`;

/** Processors: `0.04`, `2`. */
export const cores = (value: number): string =>
  value < 0.005 ? '0' : Number.isInteger(value) ? String(value) : value.toFixed(2);

const gib = 1024 ** 3;

/** A size without its nought: `512M`, `1.5G`. */
export const bytes = (value: number): string =>
  (value < gib ? byteSize(value) : `${(value / gib).toFixed(1)}G`).replace('.0', '');

/** What a plan would do, without what it would not: `1 to replace, 4 unchanged`. */
export const shortTotals = (totals: string): string =>
  visible(totals)
    .split(/, (?=\d)/)
    .filter((part) => !/^0 [a-z ]+$/.test(part))
    .join(', ');
