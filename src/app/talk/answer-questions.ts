import { type FormField, formFields } from '../../mcp/client/arguments/question-form.ts';
import { describeKind, readValue, takesSeveral, valueText } from '../../mcp/client/arguments/question-value.ts';
import type { Answer, Answerer, AnswerValue, Question } from '../../mcp/client/session.ts';

/** How one value is asked for. */
export type FieldPrompt = {
  readonly title: string;
  readonly description?: string;
  /** What may be typed, in words. */
  readonly takes: string;
  /** Choices, listed from 1 on. */
  readonly choices: readonly string[];
  /** What an empty answer stands for; undefined: nothing. */
  readonly fallback?: string;
  readonly required: boolean;
  /** What was wrong with the answer before. */
  readonly problem?: string;
};

/** Who is asked. Each of them ends early, as a `cancel`, when the signal aborts. */
export type Interviewer = {
  /** Shows the question. An `answer` goes on to its fields, or accepts when it has none. */
  readonly begin: (
    question: Pick<Question, 'server' | 'message'>,
    fields: number,
    signal: AbortSignal,
  ) => Promise<'answer' | 'decline' | 'cancel'>;
  /** The text for one field; undefined: a cancel. */
  readonly ask: (prompt: FieldPrompt, signal: AbortSignal) => Promise<string | undefined>;
};

type Questionnaire = {
  /** undefined where nobody can answer anything: then the server is told so from the start. */
  readonly answer: Answerer | undefined;
  /** Names of given answers that no question asked for. */
  readonly unused: () => readonly string[];
  /** Names of answers that were given more than once for a field of one value: a question with such a field is cancelled. */
  readonly repeated: () => readonly string[];
};

/**
 * Answers questions of a server: from the answers that were given beforehand, then from a person, then from the defaults
 * of the question. `given` has the answers by field: more than one for a field that holds a list. `onUnanswered` hears why
 * a question is left without an answer. One question at a time.
 */
export function createQuestionnaire(
  given: ReadonlyMap<string, readonly string[]>,
  interviewer: Interviewer | undefined,
  onUnanswered: (question: Question, reason: string) => void,
): Questionnaire {
  const used = new Set<string>();
  const ambiguous = new Set<string>();
  const repeated = () => [...ambiguous];
  const unused = () => [...given.keys()].filter((name) => !used.has(name));
  if (given.size === 0 && interviewer === undefined) return { answer: undefined, unused, repeated };

  const answerOne = async (question: Question, signal: AbortSignal): Promise<Answer> => {
    const fields = formFields(question.schema);
    for (const { name } of fields) if (given.has(name)) used.add(name);
    const twice = fields.filter((field) => !takesSeveral(field) && (given.get(field.name)?.length ?? 0) > 1);
    for (const { name } of twice) ambiguous.add(name);
    if (twice.length > 0) return { action: 'cancel' };
    const known = readGiven(fields, given);
    const open = fields.filter(({ name }) => !known.values.has(name));
    if (open.length === 0 && fields.length > 0) return accept(fields, known.values);
    if (interviewer === undefined) {
      const missing = open.filter(({ required, fallback }) => required && fallback === undefined);
      const first = missing[0];
      const problem = [...known.problems][0];
      if (fields.length > 0 && first === undefined && problem === undefined) return accept(fields, known.values);
      onUnanswered(
        question,
        problem !== undefined
          ? `--answer ${problem[0]}: ${problem[1]}`
          : first === undefined
            ? 'it wants a yes or no, which only a terminal can give'
            : `no --answer gives ${first.name} (${describeKind(first.kind)})`,
      );
      return { action: 'cancel' };
    }
    const wish = await interviewer.begin(question, open.length, signal);
    if (wish !== 'answer') return { action: wish };
    for (const field of open) {
      const value = await askUntilItFits(field, interviewer, known.problems.get(field.name), signal);
      if (value === 'cancel') return { action: 'cancel' };
      if (value !== 'nothing') known.values.set(field.name, value.value);
    }
    return accept(fields, known.values);
  };

  let last: Promise<unknown> = Promise.resolve();
  const answer: Answerer = (question, signal) => {
    const next = last.then(() => (signal.aborted ? { action: 'cancel' as const } : answerOne(question, signal)));
    last = next.catch(() => {}); // Whoever asked hears of it.
    return next;
  };
  return { answer, unused, repeated };
}

type Values = Map<string, AnswerValue>;

function readGiven(
  fields: readonly FormField[],
  given: ReadonlyMap<string, readonly string[]>,
): { readonly values: Values; readonly problems: ReadonlyMap<string, string> } {
  const values: Values = new Map();
  const problems = new Map<string, string>();
  for (const field of fields) {
    const texts = given.get(field.name);
    if (texts === undefined) continue;
    const read = readValue(field, texts, { numbered: false });
    if ('value' in read) values.set(field.name, read.value);
    else problems.set(field.name, read.problem);
  }
  return { values, problems };
}

async function askUntilItFits(
  field: FormField,
  interviewer: Interviewer,
  firstProblem: string | undefined,
  signal: AbortSignal,
): Promise<{ readonly value: AnswerValue } | 'nothing' | 'cancel'> {
  const { kind, fallback, required } = field;
  const prompt: FieldPrompt = {
    title: field.title,
    ...(field.description === undefined ? {} : { description: field.description }),
    takes: describeKind(kind),
    choices: 'options' in kind ? kind.options.map(({ title }) => title) : [],
    ...(fallback === undefined ? {} : { fallback: valueText(fallback) }),
    required,
  };
  let problem = firstProblem;
  for (;;) {
    const text = await interviewer.ask(problem === undefined ? prompt : { ...prompt, problem }, signal);
    if (text === undefined) return 'cancel';
    if (text.trim() === '' && (fallback !== undefined || !required)) {
      return fallback === undefined ? 'nothing' : { value: fallback };
    }
    const read: ReturnType<typeof readValue> =
      text.trim() === '' ? { problem: 'it needs an answer' } : readValue(field, text, { numbered: true });
    if ('value' in read) return read;
    problem = read.problem;
  }
}

/** What was answered, with the defaults of the rest, in the order of the question. */
function accept(fields: readonly FormField[], values: ReadonlyMap<string, AnswerValue>): Answer {
  const content = fields.flatMap(({ name, fallback }) => {
    const value = values.get(name) ?? fallback;
    return value === undefined ? [] : [[name, value] as const];
  });
  return { action: 'accept', content: Object.fromEntries(content) };
}
