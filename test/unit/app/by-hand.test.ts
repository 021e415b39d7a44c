import { describe, expect, it } from 'vitest';
import { chooseDeclared } from '../../../src/app/plan/choose-declared.ts';
import { doesWhatWasSaid } from '../../../src/app/plan/does-what-was-said.ts';
import { exitCodeOfHealth } from '../../../src/cli/exit-codes.ts';
import { recordedServer } from '../../../src/docker/plan/plan-recorded.ts';
import { asServerName } from '../../../src/model/ids.ts';
import { parseSource, sourceText } from '../../../src/model/source.ts';
import { format } from '../../support/format-plan.ts';
import { simulate } from '../../support/planner-simulation.ts';
import { emptyEngine, plan, project, server } from '../../support/planner-world.ts';

const a = asServerName('a');
const applied = simulate(plan([server('a')], emptyEngine()), emptyEngine()).end;
const intent = (kind: 'start' | 'stop') =>
  ({ kind: 'recorded', project, servers: [a], wish: { kind }, directory: '/specs' }) as const;
const recorded = (enabled: boolean) => recordedServer(applied, a, intent(enabled ? 'start' : 'stop')).server;

describe('a server as its container records it', () => {
  it('is as it was declared, so that nothing is to be done', () => {
    expect(recorded(true)).toMatchObject({ spec: server('a').spec, hash: server('a').hash });
    expect(format(plan([recorded(true)], applied))).toBe('a: unchanged');
  });

  it('is drained and stopped when that is asked for, and started again', () => {
    const stop = plan([recorded(false)], applied, { stop: new Set([a]) });
    const id = recordedId().slice(0, 6);
    expect(format(stop)).toBe(
      [
        'a: stop (requested)',
        `a/drain:${id}: drain looms-test-a for at most 30s`,
        `a/stop:${id}: stop looms-test-a ${recordedId().slice(0, 12)} after a/drain:${id}`,
      ].join('\n'),
    );
    const { end } = simulate(stop, applied);
    expect(plan([server('a')], end).changes).toMatchObject([{ action: 'start' }]);
  });

  it('is replaced when a restart is asked for, which needs no agreement', () => {
    const restart = plan([recorded(true)], applied, { replace: new Set([a]) });
    expect(restart.changes).toMatchObject([
      { action: 'replace', order: 'start-first', reasons: [{ kind: 'requested' }] },
    ]);
    expect(doesWhatWasSaid(restart)).toBe(true);
    const different = plan([server('a', { limits: { memoryMiB: 64 } })], applied, { replace: new Set([a]) });
    expect(doesWhatWasSaid(different)).toBe(false);
    expect(doesWhatWasSaid(plan([server('a')], emptyEngine()))).toBe(true);
  });

  it('that is not there is an error with the nearest name', () => {
    expect(() => recordedServer(applied, asServerName('b'), intent('start'))).toThrow(/no server b in project test/);
  });
});

const recordedId = (): string => applied.containers.find(({ server: name }) => name === 'a')?.id ?? '';

describe('where a server was declared', () => {
  it.each([
    'mcp.yaml:3',
    '-:1',
    'specs/a:b.yaml:12@0123456789abcdef0123456789abcdef01234567+dirty',
    'specs/a.yaml:1@0123456789abcdef0123456789abcdef01234567 (Ann <ann@example.com>, signed by ann@example.com)',
  ])('%s is read as it was written', (text) => {
    expect(sourceText(parseSource(text, '/'))).toBe(text);
  });

  it('an author cannot make it another commit', () => {
    const commit = '0123456789abcdef0123456789abcdef01234567';
    const source = {
      file: 'a.yaml',
      line: 1,
      directory: '/',
      commit,
      commitBy: 'x:2@abc (Ann, signed by ann), not signed',
    };
    expect(parseSource(sourceText(source), '/')).toEqual(source);
  });
});

describe('the server of a file that is meant', () => {
  it('is the one of that name', () => {
    expect(
      chooseDeclared([server('a'), server('b')], asServerName('b'), { file: 'x.yaml', alone: true }).spec.name,
    ).toBe('b');
  });

  it('is the only one of the file under the name that was given, hashed under it', () => {
    const chosen = chooseDeclared([server('a')], asServerName('other'), { file: 'x.yaml', alone: true });
    expect(chosen).toMatchObject({ spec: { name: 'other' }, hash: server('other').hash });
  });

  it('is not the only one of the file under another name where several are asked for', () => {
    expect(() => chooseDeclared([server('a')], asServerName('other'), { file: 'x.yaml', alone: false })).toThrow(
      expect.objectContaining({ code: 'server-not-found' }),
    );
  });

  it('is none when several have other names, and these are listed', () => {
    expect(() =>
      chooseDeclared([server('one'), server('two')], asServerName('onne'), { file: 'x.yaml', alone: true }),
    ).toThrow(
      expect.objectContaining({ code: 'server-not-found', hint: 'did you mean one? x.yaml declares one, two' }),
    );
  });

  it('is not started when its spec keeps it stopped', () => {
    expect(() => chooseDeclared([server('a', { enabled: false })], a, { file: 'x.yaml', alone: true })).toThrow(
      expect.objectContaining({ code: 'refused' }),
    );
  });
});

describe('the exit code of a look at servers', () => {
  const healthy = { verdict: 'healthy', failure: null } as const;
  const stopped = { verdict: 'stopped', failure: null } as const;
  const unknown = { verdict: 'unknown', failure: { code: 'secret-missing', message: '', detail: [] } } as const;

  it.each([
    ['all answer', [healthy], false, 0],
    ['one of all was stopped', [healthy, stopped], false, 0],
    ['the one that was named is stopped', [stopped], true, 10],
    [
      'one does not answer beside one that could not be asked',
      [unknown, { verdict: 'unhealthy', failure: null }],
      false,
      10,
    ],
    ['one could not be asked for lack of a secret', [healthy, unknown], true, 77],
  ] as const)('%s', (_, servers, named, code) => {
    expect(exitCodeOfHealth(servers, named)).toBe(code);
  });
});
