import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import { visible } from '../../src/cli/render/text.ts';
import { assertNever } from '../../src/model/errors.ts';
import type { PageLogLine } from '../../src/model/page/past.ts';
import type { PageLogMessage } from '../../src/model/page/routes.ts';
import { shownTime } from '../../src/model/times.ts';
import { memo } from '../part/memo.ts';
import { RefusalNote } from '../part/notes.tsx';
import { piecesOf } from '../state/ansi.ts';
import { emptyRing, type Ring, withMore } from '../state/ring.ts';
import { usePage } from '../state/store.ts';
import { timeOfDay } from '../state/words.ts';
import { type Refusal, refusalOf } from '../talk/request.ts';
import { followStream, type StreamState } from '../talk/stream.ts';

/** How many lines are kept. */
const mostLines = 2_000;
/** Lines that come together are shown together, ms. */
const gatherMs = 120;
/** How long a filter must not have changed until it is asked with, ms. */
const settleMs = 300;

const spans = { '10m': 'last 10 minutes', '1h': 'last hour', '24h': 'last day', '336h': 'all that is kept' } as const;
type Span = keyof typeof spans;

/** The log of a server, or of all of them, as it is written, and of generations that are gone. */
export function LogView({ server }: { readonly server?: string }) {
  const [filter, setFilter] = useState('');
  const [span, setSpan] = useState<Span>('1h');
  const asked = useSettled(filter);
  const { lines, state, refusal, isLive } = useLog(server ?? '*', asked, span);
  const { box, isAtEnd, toEnd } = useEnd(lines);
  return (
    <>
      <div class="row log-head">
        <input
          type="search"
          data-filter
          placeholder="filter lines, a regular expression  /"
          aria-label="filter lines by a regular expression"
          value={filter}
          spellcheck={false}
          onInput={({ currentTarget }) => setFilter(currentTarget.value)}
        />
        <select
          aria-label="since when"
          value={span}
          onChange={({ currentTarget }) => setSpan(currentTarget.value as Span)}
        >
          {Object.entries(spans).map(([value, text]) => (
            <option key={value} value={value}>
              {text}
            </option>
          ))}
        </select>
        <span class="quiet" role="status">
          {stateWords(state, isLive)}
          {lines.dropped > 0 ? `, the last ${mostLines} lines` : ''}
        </span>
      </div>
      {refusal === undefined ? null : <RefusalNote refusal={refusal} />}
      <div class="log-place">
        {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls is scrolled with keys too */}
        <div class="log" ref={box} role="log" aria-live="off" aria-label="log" tabIndex={0}>
          {lines.items.map((line) => (
            <LogRow key={line.key} line={line} withServer={server === undefined} />
          ))}
          {lines.items.length > 0 || refusal !== undefined ? null : (
            <p class="nothing">{isLive ? 'no line' : 'asking …'}</p>
          )}
        </div>
        {isAtEnd ? null : (
          <button type="button" class="to-end" onClick={toEnd}>
            to the end ↓
          </button>
        )}
      </div>
    </>
  );
}

function stateWords(state: StreamState, isLive: boolean): string {
  if (state.is === 'open') return isLive ? 'live' : 'reading';
  return state.is === 'over' ? 'ended' : state.is === 'waiting' ? 'not connected, will try again' : state.is;
}

const LogRow = memo(function LogRow({
  line,
  withServer,
}: {
  readonly line: PageLogLine;
  readonly withServer: boolean;
}) {
  const { ts, server, generation, stream, text, gone } = line;
  return (
    <div class={gone ? 'log-row gone' : 'log-row'}>
      <time dateTime={ts} title={shownTime(ts)}>
        {timeOfDay(ts)}
      </time>
      <span class="log-gen" title={gone ? 'its container is gone' : 'generation'}>
        {withServer ? `${visible(server)} ` : ''}
        {generation}
        {gone ? '†' : ''}
      </span>
      <span class={stream === 'stderr' ? 'log-text err' : 'log-text'}>
        {piecesOf(text).map(({ text: piece, style }, at) =>
          style === '' ? (
            piece
          ) : (
            <span class={style} key={at}>
              {piece}
            </span>
          ),
        )}
      </span>
    </div>
  );
});

type LogFound = {
  readonly lines: Ring<PageLogLine>;
  readonly state: StreamState;
  readonly refusal: Refusal | undefined;
  readonly isLive: boolean;
};

/** Follows a log from the beginning of a span of time, anew when something of the question changes. */
function useLog(server: string, grep: string, since: Span): LogFound {
  const { gateway } = usePage();
  const [found, setFound] = useState<LogFound>(nothingFound);
  useEffect(() => {
    setFound(nothingFound);
    const controller = new AbortController();
    let came: PageLogLine[] = [];
    /** A stream that begins tells the log from its beginning: what was there goes with its first lines. */
    let isAnew = true;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const put = (change: Partial<LogFound>): void => {
      if (!controller.signal.aborted) setFound((before) => ({ ...before, ...change }));
    };
    const show = (): void => {
      const [more, first] = [came, isAnew];
      came = [];
      isAnew = false;
      timer = undefined;
      if (controller.signal.aborted) return;
      setFound((before) => ({ ...before, lines: withMore(first ? emptyRing : before.lines, more, mostLines) }));
    };
    const take = (message: PageLogMessage): void => {
      switch (message.event) {
        case 'line':
          came.push(message.data);
          timer ??= setTimeout(show, gatherMs);
          return;
        case 'live':
          clearTimeout(timer);
          show();
          put({ isLive: true });
          return;
        case 'end':
          clearTimeout(timer);
          show();
          put({ refusal: refusalOf(0, JSON.stringify(message.data)), state: { is: 'over' } });
          controller.abort();
          return;
        default:
          assertNever(message);
      }
    };
    const query = new URLSearchParams({ server, since, tail: String(mostLines), ...(grep === '' ? {} : { grep }) });
    void followStream(
      gateway,
      `/page/log?${query}`,
      {
        event: ({ event, data }) => take({ event, data: JSON.parse(data) } as PageLogMessage),
        state: (state) => {
          if (state.is === 'open') isAnew = true;
          put({
            state,
            ...(state.is === 'open' ? { isLive: false } : {}),
            ...(state.is === 'over' && state.refusal ? { refusal: state.refusal } : {}),
          });
        },
      },
      controller.signal,
    );
    return () => {
      clearTimeout(timer);
      controller.abort();
    };
  }, [gateway, server, grep, since]);
  return found;
}

const nothingFound: LogFound = { lines: emptyRing, state: { is: 'opening' }, refusal: undefined, isLive: false };

/** A value once it has not changed for a moment. */
function useSettled(value: string): string {
  const [settled, setSettled] = useState(value);
  useEffect(() => {
    const timer = setTimeout(() => setSettled(value), settleMs);
    return () => clearTimeout(timer);
  }, [value]);
  return settled;
}

/** Keeps the end of what scrolls in sight until somebody scrolls away from it. */
function useEnd(lines: Ring<PageLogLine>) {
  const box = useRef<HTMLDivElement>(null);
  const [isAtEnd, setAtEnd] = useState(true);
  const toEnd = (): void => {
    const element = box.current;
    if (element !== null) element.scrollTop = element.scrollHeight;
  };
  useEffect(() => {
    const element = box.current;
    if (element === null) return;
    const look = (): void => setAtEnd(element.scrollHeight - element.scrollTop - element.clientHeight < 40);
    element.addEventListener('scroll', look, { passive: true });
    return () => element.removeEventListener('scroll', look);
  }, []);
  useLayoutEffect(() => {
    if (isAtEnd) toEnd();
  }, [lines]);
  return { box, isAtEnd, toEnd };
}
