import { Chalk } from 'chalk';

export type Paint = (text: string) => string;

export type PaintName = Exclude<keyof Palette, 'series'>;

/** What colours mean: the sixteen of the terminal's own theme, readable there; nothing depends on them. */
export type Palette = {
  readonly create: Paint;
  readonly change: Paint;
  readonly disrupt: Paint;
  readonly remove: Paint;
  readonly blocked: Paint;
  readonly good: Paint;
  readonly error: Paint;
  readonly warning: Paint;
  readonly note: Paint;
  readonly strong: Paint;
  /** Secondary text. */
  readonly quiet: Paint;
  /** To tell several of a kind apart. */
  readonly series: readonly [Paint, ...Paint[]];
};

/** The palette with colours or, when `colored` is false, one that leaves all text as it is. */
export function palette(colored: boolean): Palette {
  const chalk = new Chalk({ level: colored ? 1 : 0 });
  return {
    create: chalk.green,
    change: chalk.cyan,
    disrupt: chalk.magenta,
    remove: chalk.red,
    blocked: chalk.red.bold,
    good: chalk.green,
    error: chalk.red.bold,
    warning: chalk.yellow.bold,
    note: chalk.blue.bold,
    strong: chalk.bold,
    quiet: chalk.dim,
    series: [chalk.cyan, chalk.magenta, chalk.green, chalk.yellow, chalk.blue],
  };
}

type ColorRequest = {
  /** `--no-color`. */
  readonly refused: boolean;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly isTerminal: boolean;
};

/** Whether a stream gets colours: the flag, `FORCE_COLOR`, `NO_COLOR`, else a terminal (no `dumb`) outside CI. */
export function wantsColor({ refused, environment, isTerminal }: ColorRequest): boolean {
  if (refused) return false;
  const force = environment.FORCE_COLOR;
  if (force !== undefined && force !== '') return force !== '0' && force !== 'false';
  if (environment.NO_COLOR !== undefined && environment.NO_COLOR !== '') return false;
  return isTerminal && environment.TERM !== 'dumb' && !isCi(environment);
}

/** Whether this runs in CI, where a terminal that is there has nobody in front of it. */
export const isCi = (environment: Readonly<Record<string, string | undefined>>): boolean => {
  const ci = environment.CI;
  return ci !== undefined && ci !== '' && ci !== 'false' && ci !== '0';
};
