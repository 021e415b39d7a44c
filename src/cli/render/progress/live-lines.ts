import { Listr, ListrLogger, ProcessOutput } from 'listr2';
import type { Screen } from '../../terminal/program.ts';

/** A line of a list: its title can change until it is settled, with an error text or without. */
export type Line = { setTitle: (title: string) => void; settle: (failure?: string) => void };

/** A task for listr2 that does nothing but wait for its line to be settled. */
function lineTask(first: string) {
  let wrapper: { title: string } | undefined;
  let title = first;
  const { promise, resolve } = Promise.withResolvers<string | undefined>();
  const line: Line = {
    // listr2 begins its tasks a moment after `run`; what is said before then is its first title.
    setTitle: (next) => {
      title = next;
      if (wrapper !== undefined) wrapper.title = next;
    },
    settle: resolve,
  };
  const task = async (_context: unknown, own: { title: string }): Promise<void> => {
    wrapper = own;
    own.title = title;
    const failure = await promise;
    if (failure !== undefined) throw new Error(failure);
  };
  return { line, task: { title: first, task } };
}

/** Lines that are drawn over themselves. */
type LiveLines = {
  /** In the order of their first titles. */
  readonly lines: readonly Line[];
  /** A last line below the others. */
  readonly footer: Line;
  /** Resolves once all lines are settled and what was drawn is taken down. */
  readonly drawn: Promise<unknown>;
};

/** Draws a list. listr2 only draws: its own signal handler would end the process with the lock still held. */
export function liveLines(screen: Screen, titles: readonly string[]): LiveLines {
  // All that listr2 asks of it is what every screen has.
  const output = screen as NodeJS.WriteStream;
  const tasks = titles.map(lineTask);
  const footer = lineTask('');
  const list = new Listr(
    [...tasks, footer].map(({ task }) => task),
    {
      concurrent: true,
      exitOnError: false,
      registerSignalListeners: false,
      renderer: 'default',
      rendererOptions: {
        clearOutput: true,
        formatOutput: 'truncate',
        logger: new ListrLogger({
          useIcons: true,
          toStderr: [],
          processOutput: new ProcessOutput(output, output, { leaveEmptyLine: false }),
        }),
      },
    },
  );
  return { lines: tasks.map(({ line }) => line), footer: footer.line, drawn: list.run() };
}
