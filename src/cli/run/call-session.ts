import { createQuestionnaire } from '../../app/talk/answer-questions.ts';
import type { TalkOptions } from '../../app/talk/open-server.ts';
import type { CallProgress, ServerLog } from '../../mcp/client/session.ts';
import type { ProtocolChoice } from '../../model/desired.ts';
import { LoomsError } from '../../model/errors.ts';
import { renderNotice, renderWarning } from '../render/error.ts';
import { type CallDisplay, lineDisplay, liveDisplay, silentDisplay } from '../render/progress/call-progress.ts';
import { visible, visibleBlock } from '../render/text.ts';
import { terminalInterviewer } from '../terminal/ask-question.ts';
import type { Program, Screen } from '../terminal/program.ts';
import type { Terminal } from '../terminal/terminal.ts';

type SessionFlags = {
  readonly verbose: boolean;
  readonly protocol?: ProtocolChoice | undefined;
};

/** Refusals of one session that are told. */
const mostRefusals = 100;

/** What a server says on the side, as notices: all of it with `--verbose`, else only a question that is turned down; and that it is woken. */
export function sessionNotices(
  server: string,
  { verbose, protocol }: SessionFlags,
  { notice, noticePalette: palette }: Pick<Terminal, 'notice' | 'noticePalette'>,
): Pick<TalkOptions, 'onStray' | 'onLog' | 'onRefused' | 'onWaking' | 'protocol'> {
  const head = palette.quiet(`[${server}]`);
  const told = new Set<string>();
  return {
    ...(protocol === undefined ? {} : { protocol }),
    onWaking: () =>
      notice(
        renderNotice('note', { code: 'server-woken', message: `${server} is asleep: it is woken for this` }, palette),
      ),
    onRefused: ({ what, why }) => {
      const text = visible(`${what} refused: ${why}`);
      // Each once: a server may ask the same without end.
      if (told.has(text) || told.size === mostRefusals || !(verbose || what === 'elicitation/create')) return;
      told.add(text);
      notice(renderNotice('warning', { code: 'request-refused', message: `${server}: ${text}` }, palette));
    },
    ...(verbose
      ? {
          onStray: (line: string) => notice(`${head} stray line on stdout: ${visible(line)}`),
          onLog: ({ level, logger, text }: ServerLog) =>
            notice(`${head} ${level}${logger === undefined ? '' : ` ${visible(logger)}`}: ${visibleBlock(text)}`),
        }
      : {}),
  };
}

/** How a person takes part in one call: sees its progress, and answers what the server asks. */
type CallSession = {
  readonly options: TalkOptions & { readonly onProgress: (progress: CallProgress) => void };
  readonly notice: (text: string) => void;
  /** Takes progress down, tells of unused answers. Always call it. Throws `usage` for two answers to one value. */
  readonly finish: () => void;
};

/** Sets a call up for this terminal; `answers` are the words of `--answer`. Throws `usage` for one without a key. */
export function openCallSession(
  { server, tool, answers, json }: { server: string; tool: string; answers: readonly string[]; json: boolean },
  flags: SessionFlags,
  { terminal, program }: { readonly terminal: Terminal; readonly program: Program },
  nowMs: () => number,
): CallSession {
  const display = chooseDisplay(`${server} ${tool}`, json, terminal, { nowMs, screen: program.stderr });
  const palette = terminal.noticePalette;
  const desk = {
    notice: terminal.notice,
    palette,
    clear: display.clear,
    program,
  };
  const unanswered = new Set<string>();
  const questionnaire = createQuestionnaire(
    readAnswers(answers),
    terminal.canAsk ? terminalInterviewer(desk) : undefined,
    ({ message }, reason) => {
      const text = `${server} asks: ${message} (${reason})`;
      // Once, however often it is asked.
      if (!unanswered.has(text)) {
        display.notice(renderWarning({ code: 'question-unanswered', message: text }, palette));
      }
      unanswered.add(text);
    },
  );
  return {
    options: {
      ...sessionNotices(server, flags, { ...terminal, notice: display.notice }),
      ...(questionnaire.answer === undefined ? {} : { answer: questionnaire.answer }),
      onProgress: display.progress,
    },
    notice: display.notice,
    finish: () => {
      display.finish();
      for (const name of questionnaire.unused()) {
        const message = `${server} did not ask for ${name}`;
        terminal.notice(renderNotice('warning', { code: 'answer-unused', message }, palette));
      }
      const twice = questionnaire.repeated()[0];
      if (twice === undefined) return;
      throw new LoomsError('usage', `--answer ${twice} is given more than once, and ${server} asks for one value`, {
        hint: `its question was cancelled; give --answer ${twice}=VALUE once`,
      });
    },
  };
}

function chooseDisplay(
  name: string,
  json: boolean,
  terminal: Terminal,
  { nowMs, screen }: { readonly nowMs: () => number; readonly screen: Screen },
): CallDisplay {
  if (json) return silentDisplay(terminal.notice);
  const options = {
    notice: terminal.notice,
    write: (text: string) => void screen.write(text),
    palette: terminal.noticePalette,
    columns: screen.columns || 80,
    nowMs,
  };
  return terminal.live ? liveDisplay(name, options) : lineDisplay(name, options);
}

/** All answers by key, in their order. */
function readAnswers(words: readonly string[]): ReadonlyMap<string, readonly string[]> {
  const answers = new Map<string, string[]>();
  for (const word of words) {
    const equals = word.indexOf('=');
    if (equals <= 0) {
      throw new LoomsError('usage', `--answer ${JSON.stringify(word)} has no key`, {
        hint: 'write --answer KEY=VALUE',
      });
    }
    const key = word.slice(0, equals);
    answers.set(key, [...(answers.get(key) ?? []), word.slice(equals + 1)]);
  }
  return answers;
}
