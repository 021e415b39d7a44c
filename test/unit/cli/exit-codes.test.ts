import { Writable } from 'node:stream';
import { expect, test } from 'vitest';
import { exitCodeOfOutcome } from '../../../src/cli/exit-codes.ts';
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
