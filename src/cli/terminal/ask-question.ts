import type { FieldPrompt, Interviewer } from '../../app/talk/answer-questions.ts';
import { visible, visibleBlock } from '../render/text.ts';
import type { Palette } from './palette.ts';
import type { Program } from './program.ts';

/** Where a person is asked: what is drawn over itself must not disturb what is typed. */
type Desk = {
  readonly notice: (text: string) => void;
  readonly palette: Palette;
  /** Takes down what is drawn until the returned function is called. */
  readonly clear: () => () => void;
  /** Whose terminal it is. */
  readonly program: Pick<Program, 'askLine' | 'interrupt' | 'stderr'>;
};

/** Asks a server's questions, as text that steers nothing. Ctrl-C and Ctrl-D cancel; a second Ctrl-C ends the call. */
export function terminalInterviewer({ notice, palette, clear, program }: Desk): Interviewer {
  let interruptions = 0;
  const onInterrupt = () => {
    interruptions += 1;
    if (interruptions > 1) program.interrupt();
    else notice('question cancelled; Ctrl-C once more ends the call');
  };
  /** One line from the terminal; undefined on Ctrl-C, Ctrl-D, and when the signal aborts. */
  const answerTo = async (text: string, signal: AbortSignal): Promise<string | undefined> => {
    const typed = await program.askLine(text, { signal });
    if ('line' in typed) return typed.line;
    program.stderr.write('\n');
    if (typed.ended === 'interrupted') onInterrupt();
    return undefined;
  };
  return {
    async begin({ server, message }, fields, signal) {
      const restore = clear();
      try {
        notice(`${palette.strong(`${server} asks:`)} ${visibleBlock(message)}`);
        const word = await answerTo(
          fields === 0 ? 'Say yes (y), or decline (Enter): ' : 'Answer (y), or decline (Enter): ',
          signal,
        );
        if (word === undefined) return 'cancel';
        return /^y(es)?$/i.test(word.trim()) ? 'answer' : 'decline';
      } finally {
        restore();
      }
    },
    async ask(prompt, signal) {
      const restore = clear();
      try {
        if (prompt.problem !== undefined) notice(`  ${palette.error(visible(prompt.problem))}`);
        else for (const line of introduction(prompt)) notice(`  ${palette.quiet(visibleBlock(line))}`);
        return await answerTo(`  ${visible(question(prompt))}: `, signal);
      } finally {
        restore();
      }
    },
  };
}

const introduction = ({ description, choices }: FieldPrompt): readonly string[] => [
  ...(description === undefined ? [] : [description]),
  ...choices.map((choice, index) => `${index + 1}  ${choice}`),
];

function question({ title, takes, fallback, required }: FieldPrompt): string {
  if (fallback !== undefined) return `${title} (${takes}) [${fallback}]`;
  return `${title} (${takes}${required ? '' : '; Enter leaves it out'})`;
}
