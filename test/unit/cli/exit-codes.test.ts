import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { expect, test } from 'vitest';
import { exitCode, exitCodeOfError, exitCodeOfOutcome } from '../../../src/cli/exit-codes.ts';
import { reportError } from '../../../src/cli/report-error.ts';
import { type Program, thisProgram } from '../../../src/cli/terminal/program.ts';
import { LoomsError } from '../../../src/model/errors.ts';
import { schemaProblems } from '../../support/schemas.ts';

test('the exit code of a failed gate tells whether anything serves', () => {
  expect(exitCodeOfOutcome('gate-failed', ['server-exited'], undefined)).toBe(4);
  expect(exitCodeOfOutcome('not-serving', ['server-exited'], undefined)).toBe(10);
});

test('the number and the data of a JSON-RPC error are there for programs as they came, secrets masked', async () => {
  let said = '';
  const stderr = new Writable({
    write(chunk, _encoding, done) {
      said += String(chunk);
      done();
    },
  });
  const screen = Object.assign(stderr, { isTTY: false as const, columns: 80, rows: 24 });
  const program: Program = { ...thisProgram(), argv: ['mcp', 'call', 'db', 'query', '--json'], stderr: screen };
  const error = new LoomsError('json-rpc-error', 'db answered', {
    about: { kind: 'json-rpc', answer: { code: -32042, data: { dsn: 'hunter2', rows: [1] } } },
  });
  const code = await reportError(error, program, (text) => text.replaceAll('hunter2', '(secret)'));
  const report = JSON.parse(said);
  expect(schemaProblems('error', report)).toEqual([]);
  expect(report.error).toEqual({
    code: 'json-rpc-error',
    message: 'db answered',
    detail: [],
    exitCode: code,
    jsonRpc: { code: -32042, data: { dsn: '(secret)', rows: [1] } },
  });
});

/** Commands whose help says what they exit with, other than 0 first, and the code that stands for that. */
const codesInHelp: Readonly<Record<string, number>> = {
  'audit/verify.ts': exitCode.trailBroken,
  'config/delete-key.ts': exitCodeOfError('secret-missing'),
  'config/get-key.ts': exitCodeOfError('secret-missing'),
  'dashboard.ts': exitCode.unreachable,
  'events.ts': exitCodeOfError('server-not-found'),
  'mcp/call.ts': exitCode.toolError,
  'mcp/prompt.ts': exitCodeOfError('prompt-not-found'),
  'mcp/read.ts': exitCodeOfError('resource-not-found'),
  'posture.ts': exitCode.gateFailed,
  'token/new.ts': exitCodeOfError('file-exists'),
  'token/revoke.ts': exitCodeOfError('file-not-found'),
};

test('the help of a command says the exit code that there is', () => {
  const folder = join(import.meta.dirname, '../../../src/commands');
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.ts'));
  const said = files.flatMap((file) => {
    const [, code] = /Exits ([1-9]\d*) /.exec(readFileSync(join(folder, file), 'utf8')) ?? [];
    return code === undefined ? [] : [[file, Number(code)] as const];
  });
  expect(Object.fromEntries(said)).toEqual(codesInHelp);
});
