import { expect, test } from 'vitest';
import { usageFailure } from '../../../src/cli/usage.ts';

/** oclif's error for words that a command has no place for. */
class UnexpectedArgsError extends Error {
  readonly oclif = { exit: 2 };
  readonly args: readonly string[];
  constructor(args: readonly string[]) {
    super(`Unexpected argument: ${args.join(', ')}`);
    this.args = args;
  }
}
/** oclif's error for such words directly behind a command without arguments. */
const notFound = (command: string) => Object.assign(new Error(`command ${command} not found`), { oclif: { exit: 2 } });

test.each([
  [notFound('token:new:ci'), ['token', 'new', 'ci']],
  [new UnexpectedArgsError(['ci']), ['token', 'new', '--allow', 'fs:*', 'ci']],
])('a name that is given to a new token as an argument is told its flag', (error, argv) => {
  expect(usageFailure(error, argv)).toMatchObject({
    code: 'usage',
    message: 'unexpected argument ci',
    hint: 'use --name ci',
  });
});

test('any other argument that has no place is told where to read on', () => {
  expect(usageFailure(notFound('token:list:ci'), ['token', 'list', 'ci'])).toMatchObject({
    message: 'unexpected argument ci',
    hint: 'see looms token list --help',
  });
});
