import { Writable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { LoomsError } from '../../model/errors.ts';
import { InterruptedError } from '../errors.ts';
import { askLine } from './ask-line.ts';

/**
 * Reads a secret: without echo where it is typed, also where stderr, which has the question, goes elsewhere; else stdin without
 * its last line break. Throws `usage` for nothing.
 */
export async function askSecret(question: string): Promise<string> {
  const { stdin } = process;
  const value = stdin.isTTY ? await askWithoutEcho(question) : (await text(stdin)).replace(/\r?\n$/, '');
  if (value !== '') return value;
  throw new LoomsError('usage', 'the secret is empty', { hint: 'type it when asked, or send it to standard input' });
}

async function askWithoutEcho(question: string): Promise<string> {
  process.stderr.write(`${question}: `);
  // readline echoes what is typed to its output: this one keeps it to itself.
  const silent = new Writable({ write: (_chunk, _encoding, done) => done() });
  const typed = await askLine('', { output: silent, terminal: true }).finally(() => process.stderr.write('\n'));
  if ('line' in typed) return typed.line;
  if (typed.ended === 'interrupted') throw new InterruptedError('SIGINT', typed.cause);
  return '';
}
