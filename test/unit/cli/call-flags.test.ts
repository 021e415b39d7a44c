import { parse } from '@oclif/core/parser';
import { expect, test } from 'vitest';
import McpCall from '../../../src/commands/mcp/call.ts';

const parsed = async (...argv: string[]) => {
  const { args, flags } = await parse(argv, { args: McpCall.args, flags: McpCall.flags, strict: true });
  return { server: args.server, words: args.words, answer: flags.answer };
};

test('--answer takes one answer, and the arguments behind it go to the tool', async () => {
  expect(
    await parsed('shop', 'purge', '--answer', 'confirm=yes', 'dry_run=true', '--answer', 'really=yes', 'limit=5'),
  ).toEqual({ server: 'shop', words: ['purge', 'dry_run=true', 'limit=5'], answer: ['confirm=yes', 'really=yes'] });
  expect(await parsed('--answer', 'confirm=yes', 'shop', 'purge', 'limit=5')).toEqual({
    server: 'shop',
    words: ['purge', 'limit=5'],
    answer: ['confirm=yes'],
  });
});
