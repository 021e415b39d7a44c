import { assertNever, LoomsError } from '../model/errors.ts';
import { duration } from '../model/times.ts';
import type { SecretProvider } from './provider.ts';
import { createRedactor } from './redact.ts';
import { runTool } from './run-tool.ts';

/** How long a command may take, ms: password managers may ask a person to unlock them. */
const defaultTimeoutMs = 30_000;

/**
 * Secrets from a command (`pass show`, `op read`, `vault …`): the secret's name is its last argument, what it prints is
 * the value, without one newline at its end. Exit 0 with nothing printed, or another exit code, means that it has none;
 * its stderr then says why. Throws `secret-missing` when it cannot be started or takes too long.
 */
export function commandProvider(
  argv: readonly string[],
  environment: Readonly<Record<string, string | undefined>>,
  timeoutMs: number = defaultTimeoutMs,
): SecretProvider {
  const shown = argv.join(' ');
  return {
    name: `command ${shown}`,
    async get(name) {
      const run = await runTool([...argv, name], { timeoutMs, environment });
      switch (run.result) {
        case 'ended': {
          const value = run.stdout.replace(/\r?\n$/, '');
          if (run.exitCode === 0)
            return value === '' ? { found: false, why: 'it printed nothing' } : { found: true, value };
          const said = createRedactor([value])(run.stderr).trim().split('\n').slice(0, 3).join(' ');
          return { found: false, why: `exit code ${run.exitCode}${said === '' ? '' : `: ${said}`}` };
        }
        case 'not-started':
          throw new LoomsError('secret-missing', `the secret command ${shown} cannot be started: ${run.why}`, {
            hint: 'check secrets.providers in looms.yaml',
          });
        case 'too-slow':
          throw new LoomsError(
            'secret-missing',
            `the secret command ${shown} took more than ${duration(timeoutMs)} for ${name}`,
          );
        case 'too-much':
          throw new LoomsError('secret-missing', `the secret command ${shown} printed more than 1 MiB for ${name}`);
        default:
          return assertNever(run);
      }
    },
  };
}
