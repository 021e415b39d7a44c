import { assertNever } from '../model/errors.ts';
import { looksLikeCredential } from '../model/secrets/credentials.ts';
import { duration } from '../model/times.ts';
import { type SecretProvider, sourceFailed } from './provider.ts';
import { createRedactor } from './redact.ts';
import { runTool, type ToolResult } from './run-tool.ts';

/** How long a command may take, ms: password managers may ask a person to unlock them. */
const defaultTimeoutMs = 30_000;

/** How a program is asked for a secret. */
export type CommandRecipe = {
  /** For people: `command pass show`, `1password vault Private (op)`. */
  readonly name: string;
  readonly argv: (name: string) => readonly string[];
  /** What it prints: the value and perhaps a newline, the value to its last character, or the value as a JSON text. */
  readonly prints: 'line' | 'exactly' | 'json';
  /** Whether it failed only because it has no such secret; any other failure is one of the source. */
  readonly hasNone: (ended: Ended) => boolean;
  /** What to do when it fails. */
  readonly hint: string;
};

type Ended = Extract<ToolResult, { result: 'ended' }>;

/** A program of the user's own: the name is its last argument, and exit 1 says that it has no such secret. */
export const ownCommand = (argv: readonly string[]): CommandRecipe => ({
  name: `command ${argv.join(' ')}`,
  argv: (name) => [...argv, name],
  prints: 'line',
  hasNone: ({ exitCode }) => exitCode === 1,
  hint: 'exit code 1 would mean that it has no such secret; see secrets.providers in looms.yaml',
});

/**
 * Secrets from a program (`pass show`, `op read` …): what it prints is the value; nothing printed means that it has none.
 * Throws `secret-source-failed` when it cannot be started, takes too long, prints too much, or fails otherwise than
 * `hasNone` says.
 */
export function commandProvider(
  recipe: CommandRecipe,
  environment: Readonly<Record<string, string | undefined>>,
  timeoutMs: number = defaultTimeoutMs,
): SecretProvider {
  const { name: source, hint } = recipe;
  return {
    name: source,
    async get(name) {
      const run = await runTool(recipe.argv(name), { timeoutMs, environment });
      switch (run.result) {
        case 'ended': {
          if (run.exitCode === 0) {
            const value = printedValue(recipe, run.stdout);
            return value === '' ? { found: false, why: 'it printed nothing' } : { found: true, value };
          }
          const ending = run.exitCode === null ? 'it was killed' : `exit code ${run.exitCode}`;
          const said = wordsOf(run, environment);
          const why = said === '' ? ending : `${ending}: ${said}`;
          if (recipe.hasNone(run)) return { found: false, why };
          throw sourceFailed(source, `could not be asked for ${name}: ${why}`, hint);
        }
        case 'not-started':
          throw sourceFailed(source, `cannot be started: ${run.why}`, 'check secrets.providers in looms.yaml');
        case 'too-slow':
          throw sourceFailed(source, `took more than ${duration(timeoutMs)} for ${name}`);
        case 'too-much':
          throw sourceFailed(source, `printed more than 1 MiB for ${name}`);
        default:
          return assertNever(run);
      }
    },
  };
}

function printedValue({ name, prints }: CommandRecipe, printed: string): string {
  if (prints === 'exactly') return printed;
  if (prints === 'line') return printed.replace(/\r?\n$/, '');
  let value: unknown;
  try {
    value = printed.trim() === '' ? null : JSON.parse(printed);
  } catch {
    // The parser's own message would quote what was printed.
  }
  if (value === null) return '';
  if (typeof value === 'string') return value;
  throw sourceFailed(name, 'printed something else than a JSON text');
}

/** What it said on stderr, without the value that it may have printed, and without the credentials it was run with. */
function wordsOf({ stdout, stderr }: Ended, environment: Readonly<Record<string, string | undefined>>): string {
  const credentials = Object.entries(environment).flatMap(([name, value]) =>
    value !== undefined && looksLikeCredential(name) ? [value] : [],
  );
  const hidden = createRedactor([stdout.trim(), ...credentials]);
  return hidden(stderr).trim().split('\n').slice(0, 3).join(' ');
}
