import { describe, expect, it } from 'vitest';
import { createQuestionnaire, type FieldPrompt, type Interviewer } from '../../../src/app/talk/answer-questions.ts';
import type { Question } from '../../../src/mcp/client/session.ts';

const question: Question = {
  server: 'shop',
  message: 'What shall it be?',
  schema: {
    type: 'object',
    required: ['email'],
    properties: {
      email: { type: 'string', format: 'email' },
      count: { type: 'integer', default: 1 },
      note: { type: 'string' },
    },
  },
};
const signal = new AbortController().signal;

/** A person who types these lines, and what was shown to them. */
function person(wish: 'answer' | 'decline' | 'cancel', lines: readonly (string | undefined)[] = []) {
  const shown: FieldPrompt[] = [];
  const left = [...lines];
  let begun = 0;
  const interviewer: Interviewer = {
    begin: async () => {
      begun += 1;
      return wish;
    },
    ask: async (prompt) => {
      shown.push(prompt);
      return left.shift();
    },
  };
  return { interviewer, shown, begun: () => begun };
}

function ask(given: Record<string, string | readonly string[]>, interviewer?: Interviewer) {
  const unanswered: string[] = [];
  const questionnaire = createQuestionnaire(
    new Map(Object.entries(given).map(([name, texts]) => [name, typeof texts === 'string' ? [texts] : texts])),
    interviewer,
    (_, reason) => {
      unanswered.push(reason);
    },
  );
  return { ...questionnaire, unanswered, answered: questionnaire.answer?.(question, signal) };
}

describe('a question of a server', () => {
  it('cannot be answered where nobody is and nothing was given', () => {
    expect(ask({}).answer).toBeUndefined();
  });

  it('is answered by what was given, with the defaults of the rest', async () => {
    const { answered, unused } = ask({ email: 'a@b.c', other: 'x' });
    expect(await answered).toEqual({ action: 'accept', content: { email: 'a@b.c', count: 1 } });
    expect(unused()).toEqual(['other']);
  });

  it.each([
    [{ count: '2' }, 'no --answer gives email (e-mail address)'],
    [{ email: 'nope' }, '--answer email: "nope" is no e-mail address'],
  ])('stays open where %j is all that was given, and says why', async (given, reason) => {
    const { answered, unanswered } = ask(given);
    expect(await answered).toEqual({ action: 'cancel' });
    expect(unanswered).toEqual([reason]);
  });

  it('is asked field by field, again until an answer fits; Enter takes the default or leaves it out', async () => {
    const { interviewer, shown } = person('answer', ['', 'nope', 'a@b.c', '', '']);
    expect(await ask({}, interviewer).answered).toEqual({ action: 'accept', content: { email: 'a@b.c', count: 1 } });
    expect(shown.map(({ title, problem, fallback }) => [title, problem ?? fallback])).toEqual([
      ['email', undefined],
      ['email', 'it needs an answer'],
      ['email', '"nope" is no e-mail address'],
      ['count', '1'],
      ['note', undefined],
    ]);
  });

  it('is asked only for what was not given', async () => {
    const { interviewer, shown } = person('answer', ['3', 'hello']);
    expect(await ask({ email: 'a@b.c' }, interviewer).answered).toEqual({
      action: 'accept',
      content: { email: 'a@b.c', count: 3, note: 'hello' },
    });
    expect(shown.map(({ title }) => title)).toEqual(['count', 'note']);
  });

  it('disturbs nobody when all of it was given', async () => {
    const { interviewer, begun } = person('decline');
    expect(await ask({ email: 'a@b.c', count: '2', note: 'n' }, interviewer).answered).toMatchObject({
      action: 'accept',
    });
    expect(begun()).toBe(0);
  });

  it('takes all the answers that were given for a list', async () => {
    const { answer } = createQuestionnaire(new Map([['extras', ['bag', 'card']]]), undefined, () => {});
    const extras = { type: 'array', items: { type: 'string', enum: ['bag', 'card', 'ribbon'] } };
    expect(await answer?.({ ...question, schema: { type: 'object', properties: { extras } } }, signal)).toEqual({
      action: 'accept',
      content: { extras: ['bag', 'card'] },
    });
  });

  it('is cancelled where two answers were given for one value, whoever could be asked', async () => {
    const { interviewer, begun } = person('answer', ['a@b.c']);
    const { answered, repeated, unused } = ask({ email: ['a@b.c', 'd@e.f'] }, interviewer);
    expect(await answered).toEqual({ action: 'cancel' });
    expect(repeated()).toEqual(['email']);
    expect(unused()).toEqual([]);
    expect(begun()).toBe(0);
  });

  it.each(['decline', 'cancel'] as const)('can be answered with a %s', async (wish) => {
    expect(await ask({}, person(wish).interviewer).answered).toEqual({ action: wish });
  });

  it('is cancelled by whoever leaves in the middle of it', async () => {
    expect(await ask({}, person('answer', ['a@b.c', undefined]).interviewer).answered).toEqual({ action: 'cancel' });
  });

  it('waits for the one before it', async () => {
    const order: string[] = [];
    const { answer } = createQuestionnaire(
      new Map(),
      {
        begin: async ({ message }) => {
          order.push(`begin ${message}`);
          await new Promise((resolve) => setImmediate(resolve));
          order.push(`end ${message}`);
          return 'decline';
        },
        ask: async () => undefined,
      },
      () => {},
    );
    await Promise.all(['a', 'b'].map((message) => answer?.({ ...question, message }, signal)));
    expect(order).toEqual(['begin a', 'end a', 'begin b', 'end b']);
  });
});
