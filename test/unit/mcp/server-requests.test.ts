import { afterEach, describe, expect, it } from 'vitest';
import { createSessionSource } from '../../../src/mcp/client/connect.ts';
import type {
  Answerer,
  CallProgress,
  Question,
  ServerLog,
  Session,
  SessionOptions,
} from '../../../src/mcp/client/session.ts';
import type { Findings } from '../../../src/model/trail/findings.ts';
import { eventually } from '../../support/eventually.ts';
import { fixture, localEngine, serversIn, targetFor } from './local-engine.ts';

const call = { timeoutMs: 60_000 };
const sessions: Session[] = [];
afterEach(async () => {
  await Promise.all(sessions.splice(0).map((session) => session.close()));
});

async function open(argv: readonly string[], options: SessionOptions = {}, memory?: Findings, image?: string) {
  const local = localEngine();
  const target = { ...targetFor(local.engine, [process.execPath, ...argv]), ...(image === undefined ? {} : { image }) };
  const session = await createSessionSource(memory)(target, options);
  sessions.push(session);
  return { session, execs: local.execs };
}
const plain = (...flags: string[]) => [fixture('plain.mjs'), ...flags];
const sdk2 = (...flags: string[]) => [fixture('sdk2-stdio.mjs'), ...flags];
const textOf = async (session: Session, tool: string) => (await session.callTool(tool, {}, call)).content[0]?.text;

/** Answers every question with this, and keeps the questions. */
function answering(answer: Awaited<ReturnType<Answerer>>): { answer: Answerer; questions: Question[] } {
  const questions: Question[] = [];
  return {
    questions,
    answer: async (question) => {
      questions.push(question);
      return answer;
    },
  };
}
const blue = { action: 'accept', content: { colour: 'blue' } } as const;

describe.each(['legacy', '2026-07-28'] as const)('a server that asks, in %s,', (protocol) => {
  it('gets the answer, and goes on', async () => {
    const { answer, questions } = answering(blue);
    const { session } = await open(sdk2(), { protocol, answer });
    expect(await textOf(session, 'ask')).toBe('{"colour":"blue"}');
    expect(questions).toMatchObject([{ server: 'unit', message: 'Which one?', schema: { type: 'object' } }]);
  });

  it.each(['decline', 'cancel'] as const)('hears of a %s', async (action) => {
    const { session } = await open(sdk2(), { protocol, answer: answering({ action }).answer });
    expect(await textOf(session, 'ask')).toBe('"no"');
  });

  it('is given more time than the call has, as long as a person thinks', async () => {
    const bound = { timeoutMs: 2_000 };
    const { session: slow } = await open(plain('--slow'));
    await slow.listTools();
    // A call that began later is over its time by then.
    const answer: Answerer = async () => {
      await expect(slow.callTool('read_file', {}, bound)).rejects.toMatchObject({ code: 'call-timeout' });
      return blue;
    };
    const { session } = await open(sdk2(), { protocol, answer });
    await session.listTools();
    const result = await session.callTool('ask', {}, bound);
    expect(result.content[0]?.text).toBe('{"colour":"blue"}');
  });
});

describe('a server that asks for what it does not get', () => {
  it('of the stateless revision ends its call with what it asked for', async () => {
    const { session } = await open(sdk2(), { protocol: '2026-07-28' });
    const failing = session.callTool('think', {}, call);
    await expect(failing).rejects.toMatchObject({ code: expect.stringMatching(/^(input-refused|json-rpc-error)$/) });
    await expect(session.callTool('ask', {}, call)).rejects.toMatchObject({
      hint: expect.stringContaining('--answer'),
    });
  });

  it('of the older revisions is refused, which is told', async () => {
    const refused: string[] = [];
    const { session } = await open(plain('--asks'), { onRefused: ({ what, why }) => refused.push(`${what}: ${why}`) });
    await textOf(session, 'read_file');
    expect(refused.sort()).toEqual([
      'elicitation/create: nobody can be asked',
      'roots/list: looms shows servers no folders but their volume_mounts',
      'sampling/createMessage: looms has no model to ask',
    ]);
  });
});

it('the log of a server is told', async () => {
  const logs: string[] = [];
  const { session } = await open(plain('--flood'), { onLog: ({ level, text }) => logs.push(`${level} ${text}`) });
  await textOf(session, 'read_file');
  expect([logs.length, logs[0], logs.at(-1)]).toEqual([20_000, 'info line 0', 'info line 19999']);
});

describe('who hears of a call', () => {
  const hearing = () => {
    const heard: string[] = [];
    return {
      heard,
      hooks: {
        onProgress: ({ progress, message }: CallProgress) => void heard.push(`${message} ${progress}`),
        onLog: ({ text }: ServerLog) => void heard.push(text),
      },
    };
  };

  it('is its own caller; a log belongs to the only call, and to the session where nobody can tell', async () => {
    const ofSession: string[] = [];
    const { session } = await open(plain('--chatty'), { onLog: ({ text }) => void ofSession.push(text) });
    const one = hearing();
    const other = hearing();
    const alone = hearing();
    await session.listTools();
    await Promise.all([
      session.callTool('read_file', { path: 'one', ms: 1_000 }, { ...call, ...one.hooks }),
      session.callTool('read_file', { path: 'other', ms: 1_000 }, { ...call, ...other.hooks }),
    ]);
    expect([one.heard, other.heard]).toEqual([
      ['one 1', 'one 2'],
      ['other 1', 'other 2'],
    ]);
    expect(ofSession).toEqual(['begins one', 'begins other']);
    await session.callTool('read_file', { path: 'alone', ms: 1, after: 500 }, { ...call, ...alone.hooks });
    expect(alone.heard).toEqual(['begins alone', 'alone 1', 'alone 2']);
    await eventually(() => expect(ofSession).toContain('after alone'));
  });

  it.each(['legacy', '2026-07-28'] as const)('answers what it asks, in %s', async (protocol) => {
    const { answer, questions } = answering(blue);
    const { session } = await open(sdk2(), { protocol, answer });
    const red = async () => ({ action: 'accept', content: { colour: 'red' } }) as const;
    const asked = await session.callTool('ask', {}, { ...call, onQuestion: red });
    expect([asked.content[0]?.text, questions]).toEqual(['{"colour":"red"}', []]);
    expect(await textOf(session, 'ask')).toBe('{"colour":"blue"}');
  });

  it('answers what it asks, also beside another, where the revision says whose question it is', async () => {
    const { answer, questions } = answering(blue);
    const { session } = await open(sdk2(), { protocol: '2026-07-28', answer });
    const colours = ['red', 'green', 'white'];
    const results = await Promise.all(
      colours.map((colour) =>
        session.callTool('ask', {}, { ...call, onQuestion: async () => ({ action: 'accept', content: { colour } }) }),
      ),
    );
    expect(results.map(({ content }) => content[0]?.text)).toEqual(colours.map((colour) => `{"colour":"${colour}"}`));
    expect(questions).toEqual([]);
  });
});

describe('what auto finds out', () => {
  function memory(start: Record<string, string> = {}) {
    const known = new Map(Object.entries(start));
    const asked: string[] = [];
    const store: Findings = {
      recall: async (key) => {
        asked.push(key);
        return known.get(key);
      },
      remember: async (key, verdict) => {
        known.set(key, verdict);
      },
    };
    return { store, known, asked };
  }

  it('is remembered for the image, so that the next session asks no more', async () => {
    const { store, known } = memory();
    const first = await open(plain('--exit-on-unknown'), { protocol: 'auto' }, store, 'sha256:a');
    expect([serversIn(first.execs).length, [...known.values()]]).toEqual([2, ['legacy']]);
    const second = await open(plain('--exit-on-unknown'), { protocol: 'auto' }, store, 'sha256:a');
    expect([second.execs.length, second.session.era]).toEqual([1, 'legacy']);
    const other = await open(plain('--exit-on-unknown'), { protocol: 'auto' }, store, 'sha256:b');
    expect([serversIn(other.execs).length, known.size]).toEqual([2, 2]);
  });

  it('is found out again when it is not true any more', async () => {
    const { store, known, asked } = memory();
    await open(sdk2('--modern-only'), { protocol: 'auto' }, store, 'sha256:a');
    const key = asked[0] ?? '';
    expect(known.get(key)).toBe('modern');
    known.set(key, 'legacy');
    const { session } = await open(sdk2('--modern-only'), { protocol: 'auto' }, store, 'sha256:a');
    expect([session.era, known.get(key)]).toEqual(['modern', 'modern']);
  });

  it('is not asked for where a spec says what to speak, or the image is not known', async () => {
    const { store, asked } = memory();
    await open(plain(), { protocol: 'legacy' }, store, 'sha256:a');
    await open(plain(), { protocol: 'auto' }, store);
    expect(asked).toEqual([]);
  });
});
