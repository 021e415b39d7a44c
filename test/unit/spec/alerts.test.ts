import { expect, test } from 'vitest';
import { readAlertRule } from '../../../src/spec/alert-rule.ts';
import { loadProjectFile } from '../../../src/spec/project-file.ts';
import { describeDiagnostics } from '../../../src/spec/read/findings.ts';

const load = (text: string) =>
  loadProjectFile({ file: 'looms.yaml', directory: '/repo', text }, { environment: { HOOK: 'https://x.example' } });
const check = (text: string) => describeDiagnostics(load(text).diagnostics).replaceAll('looms.yaml:', '');

test('a rule names what it is about, how it is compared, and how long', () => {
  const number = { kind: 'number', operator: '>', unit: 'share' };
  expect(readAlertRule('memory > 90% for 5m')).toEqual({
    text: 'memory > 90% for 5m',
    when: { ...number, metric: 'memory', threshold: 0.9 },
    forMs: 300_000,
  });
  expect(readAlertRule('  fs:calls.errors>5%   over 10m for 1h30m')).toEqual({
    text: 'fs: calls.errors > 5% over 10m for 1h30m',
    server: 'fs',
    when: { ...number, metric: 'calls.errors', threshold: 0.05, overMs: 600_000 },
    forMs: 5_400_000,
  });
  expect(readAlertRule('memory <= 64MiB')).toMatchObject({
    when: { operator: '<=', threshold: 64 * 1024 * 1024, unit: 'bytes' },
    forMs: 0,
  });
  expect(readAlertRule('health is down for 2m')).toEqual({
    text: 'health is down for 2m',
    when: { kind: 'health', is: 'down' },
    forMs: 120_000,
  });
  expect(readAlertRule('web: drift')).toEqual({ text: 'web: drift', server: 'web', when: { kind: 'drift' }, forMs: 0 });
});

test.each([
  ['', 'a rule says nothing', 'metrics: memory, cpu, '],
  ['memroy > 90%', 'there is no metric memroy', 'did you mean memory?'],
  ['memory = 90%', 'memory is compared by one of >, >=, <, <=', 'write it as memory > 90% for 5m'],
  ['memory > 90', 'memory is compared with a percentage such as 90% or a size such as 512MiB, not with 90', 'write it'],
  ['memory >', 'memory is compared with a percentage such as 90% or a size such as 512MiB', 'write it'],
  ['cpu > -1%', 'cpu is compared with a percentage such as 90% or a number, not with -1%', 'write it'],
  ['oom > 0', 'oom is counted over a time', 'write it as oom > 0 over 1h'],
  ['oom > 1% over 1h', 'oom is compared with a number, not with 1%', 'write it'],
  ['calls.errors > 5% over 10', 'over 10: expected 1m to 1h', 'write it as over 10m'],
  ['calls.errors > 5% over 2h', 'over 2h: expected 1m to 1h', 'write it as over 10m'],
  ['memory > 90% for', 'for : expected at most 7d', 'write it as for 10m'],
  ['memory > 90% for 8d', 'for 8d: expected at most 7d', 'write it'],
  ['memory > 90% for 5m over 5m', '"over 5m" is no end of a rule', 'write [server:] metric'],
  ['memory > 90% for 5m for 5m', '"for 5m" is no end of a rule', 'write [server:] metric'],
  ['health is dwon for 2m', 'health is compared as: health is one of slow, failing, down', 'health is down for 2m'],
  ['health > 3', 'health is compared as: health is one of', 'health is down for 2m'],
  ['health is down over 5m', 'health is not counted over a time', 'write for D'],
  ['cpu > 90 %', '"%" is no end of a rule', 'write cpu > 90%'],
  ['fs: health is down for 5 minutes', '"minutes" is no end', 'write fs: health is down for 5m'],
  ['drift for 10min', 'for 10min: expected', 'write drift for 10m'],
  ['drift > 2', '"> 2" is no end of a rule', 'write [server:] metric'],
  ['FS: drift', 'FS cannot be the name of a server', 'write [server:] metric'],
])('%s: %s', (rule, problem, hint) => {
  expect(readAlertRule(rule)).toEqual({
    problem: expect.stringContaining(problem),
    hint: expect.stringContaining(hint),
  });
});

test('alerts of a looms.yaml, with who is told', () => {
  const { project, diagnostics } = load(`alerts:
  - memory > 90% for 5m
  - fs: health is down for 2m
  - "fs: drift"
alertTo: { url: "\${secret:hook}", remind: 4h }
`);
  expect(diagnostics).toEqual([]);
  expect(project?.alerts).toMatchObject({
    rules: [
      { text: 'memory > 90% for 5m', position: { file: 'looms.yaml', line: 2, column: 5 } },
      { text: 'fs: health is down for 2m', server: 'fs' },
      { text: 'fs: drift', server: 'fs' },
    ],
    receivers: [
      {
        url: { kind: 'secret', parts: [{ from: 'provider', name: 'hook' }] },
        secret: { kind: 'secret', parts: [{ from: 'provider', name: 'looms-alerts' }] },
        remindMs: 14_400_000,
      },
    ],
  });
});

test('several are told where it is a list; a message is unsigned only where that is written', () => {
  const { project, diagnostics } = load(`alerts: [drift]
alert_to:
  - { url: "https://a.example/hook", secret: "\${secret:a}" }
  - { url: "\${HOOK}", unsigned: true }
`);
  expect(diagnostics).toEqual([]);
  expect(project?.alerts?.receivers).toEqual([
    {
      url: { kind: 'literal', value: 'https://a.example/hook' },
      secret: { kind: 'secret', parts: [{ from: 'provider', name: 'a' }] },
    },
    { url: { kind: 'secret', parts: [{ from: 'environment', name: 'HOOK' }] }, secret: null },
  ]);
});

test('what is wrong is told with its line and what to write', () => {
  expect(
    check(`alerts:
  - memory > 90
  - drift
  - drift
  - 5
  - { fs: drift, web: drift }
alert_to:
  - { url: ftp://x, remind: soon }
  - { secret: "\${secret:a}" }
  - { url: "https://x.example", secret: plain, unsigned: true }
  - { url: "https://x.example", colour: red }
`),
  ).toMatchInlineSnapshot(`
    "2:5 error[invalid-alert] alerts[0]: alerts: memory is compared with a percentage such as 90% or a size such as 512MiB, not with 90 (hint: write it as memory > 90% for 5m)
    4:5 error[conflict] alerts[2]: the alert "drift" is given twice [3:5 first here]
    5:5 error[wrong-type] alerts[3]: alerts[3]: expected text, got 5 (hint: write "5" with quotes)
    6:5 error[invalid-alert] alerts[4]: alerts: there is no metric drift, (hint: did you mean drift?)
    8:12 error[invalid-value] alert_to[0].url: url: expected an address such as https://hooks.example.com/looms (hint: write https://…, or a secret that holds it: \${secret:NAME})
    8:29 error[invalid-value] alert_to[0].remind: remind: expected a time of at least 1m, got soon (hint: write it as 4h)
    9:5 error[missing-key] alert_to[1]: alert_to[1] needs url
    10:41 error[invalid-value] alert_to[2].secret: secret: what signs messages must not stand in this file (hint: write \${secret:NAME}, and \`looms config set-key NAME\`)
    10:48 error[conflict] alert_to[2].unsigned: unsigned and secret exclude each other [10:33 secret is here] (hint: keep one of them)
    11:33 error[unknown-key] alert_to[3].colour: alert_to[3] has no key colour (hint: valid keys: remind, secret, unsigned, url)"
  `);
  expect(check('alert_to: { url: "https://x.example" }\n')).toMatchInlineSnapshot(
    `"1:1 error[no-effect] alert_to: alert_to has no effect without alerts (hint: write what to be told of: alerts: [health is down for 2m])"`,
  );
  expect(check('alerts: memory > 90%\n')).toMatchInlineSnapshot(
    `"1:9 error[wrong-type] alerts: alerts: expected a list, got "memory > 90%" (hint: write a list: ["memory > 90%"])"`,
  );
  expect(check('alerts: [drift]\nalert_to: https://x.example\n')).toMatchInlineSnapshot(
    `"2:11 error[wrong-type] alert_to: alert_to: expected a list, got "https://x.example" (hint: write a list: ["https://x.example"])"`,
  );
});
