import { stripVTControlCharacters } from 'node:util';
import type { StepProgress } from '../../../model/events.ts';
import type { StreamEntry } from './stream.ts';

/** How many lines of one step are kept to find the decisive one in; npm and apt can print thousands. */
const keptLines = 2_000;
/** Width of what a progress line shows of a command or of its output, characters. */
const shownWidth = 72;

/** What is known of a build so far. */
export type BuildLog = {
  /** The instruction that runs, as the engine prints it. */
  readonly instruction: string;
  /** Output of that instruction, oldest first, at most `keptLines`. */
  readonly output: readonly string[];
  /** Images that steps of this build made, by the ids the engine printed, oldest first. */
  readonly madeImages: readonly string[];
  /** Containers that RUN steps ran in, by the first 12 digits of their ids, oldest first: a RUN can print such a line, too. */
  readonly containers: readonly string[];
  /** Id of the result, once the last step is done. */
  readonly built?: string;
  readonly failure?: { readonly message: string; readonly exitCode?: number };
};

/**
 * Follows the output of the classic builder, and of Podman's, whose lines are `STEP 2/3: RUN …` and `--> 90412bffeb1c`.
 * `accept` takes one entry and returns the progress to show, or null where nothing worth showing changed; `log` tells what
 * is known so far.
 */
export function followBuild(): { accept(entry: StreamEntry): StepProgress | null; log(): BuildLog } {
  let step = { current: 0, total: 0 };
  let instruction = '';
  let output: string[] = [];
  let cached = false;
  let unfinished = '';
  let built: string | undefined;
  let failure: BuildLog['failure'];
  const madeImages: string[] = [];
  const containers: string[] = [];

  const progress = (line?: string): StepProgress => {
    const title = `${step.current}/${step.total} ${shorten(instruction)}`;
    return { text: line === undefined ? title : `${title}: ${shorten(line)}`, ...step };
  };

  const builderLine = (line: string): boolean => {
    const [, running] = line.match(/^ ---> Running in ([0-9a-f]{12})$/) ?? [];
    const [, made] = line.match(/^(?: --->|-->) (?:sha256:)?([0-9a-f]{12,64})$/) ?? [];
    if (/^(?: --->|-->) Using cache\b/.test(line)) cached = true;
    else if (running !== undefined) containers.push(running);
    else if (made !== undefined) {
      // What FROM and the cache give is not of this build's making.
      if (!cached && !/^FROM\s/i.test(instruction)) madeImages.push(made);
    } else return isClosingLine(line);
    return true;
  };

  const acceptLine = (raw: string): StepProgress | null => {
    // A tool that draws over its own line with carriage returns means the last one.
    const line = (stripVTControlCharacters(raw).replace(/\r+$/, '').split('\r').at(-1) ?? '').trimEnd();
    const [, current, total, text] = line.match(/^(?:Step|STEP) (\d+)\/(\d+) ?: (.*)$/) ?? [];
    if (text !== undefined) {
      step = { current: Number(current), total: Number(total) };
      instruction = text;
      output = [];
      cached = false;
      return progress();
    }
    if (line === '' || builderLine(line)) return null;
    output.push(line);
    if (output.length > keptLines) output.shift();
    return progress(line.trim());
  };

  const accept = (entry: StreamEntry): StepProgress | null => {
    const text = entry.stream ?? '';
    built = entry.aux?.ID ?? built;
    // The engine cuts output anywhere; its own lines are whole, even after output that ends without a line break.
    const isOwnLine = /^(?:Step \d+\/\d+ : |STEP \d+\/\d+: | ---> |--> |Removing intermediate container )/.test(text);
    const ends = isOwnLine || entry.errorDetail !== undefined || entry.error !== undefined;
    const parts = ends && unfinished !== '' ? [unfinished, ...text.split('\n')] : `${unfinished}${text}`.split('\n');
    unfinished = ends ? '' : unfinishedLine(parts.pop() ?? '');
    let report: StepProgress | null = null;
    for (const part of parts) report = acceptLine(part) ?? report;

    if (entry.error !== undefined || entry.errorDetail !== undefined) {
      const message = (entry.errorDetail?.message ?? entry.error ?? 'no reason given').trim();
      failure = failureOf(message, entry.errorDetail?.code ?? 0, instruction);
    }
    return report;
  };

  const log = (): BuildLog => ({
    instruction,
    output,
    madeImages,
    containers,
    ...(built === undefined ? {} : { built }),
    ...(failure === undefined ? {} : { failure }),
  });
  return { accept, log };
}

/** Characters that are kept of a line that has no end yet. */
const longestUnfinished = 16 * 1024;

/** What may still matter of a line: a tool that draws over its own line writes on and on, and means what it drew last. */
const unfinishedLine = (text: string): string =>
  text.slice(text.lastIndexOf('\r', text.length - 2) + 1).slice(-longestUnfinished);

/** What follows the last step, in both dialects; Podman ends with the id of the whole image. */
const isClosingLine = (line: string): boolean =>
  /^Removing intermediate container |^Successfully (?:built|tagged) |^COMMIT(?: |$)|^[0-9a-f]{64}$/.test(line);

/** Podman's builder has no code for the exit code, and puts the instruction before each message. */
function failureOf(message: string, code: number, instruction: string): { message: string; exitCode?: number } {
  if (code !== 0) return { message, exitCode: code };
  const frame = `building at STEP "${instruction}`;
  if (!message.startsWith(frame)) return { message };
  const words = message.slice(frame.length).replace(/^ ?": /, '');
  const [, exit] = /^while running runtime: exit status (\d+)$/.exec(words) ?? [];
  // What follows an instruction that it does not know is the inside of its parser.
  return exit === undefined
    ? { message: words.replace(/ &imagebuilder\..*$/s, '') }
    : { message: words, exitCode: Number(exit) };
}

const shorten = (text: string): string => (text.length <= shownWidth ? text : `${text.slice(0, shownWidth - 1)}…`);
