import { type ASTNode, Environment, type ParseResult } from '@marcbachmann/cel-js';
import type { CallRule, Judge } from '../../model/serve-settings.ts';
import type { ExpressionProblem } from '../serve-settings.ts';

/** What an expression may be made of, so that it is read and checked at once. */
const structure = { maxAstNodes: 500, maxDepth: 30, maxListElements: 200, maxMapEntries: 50, maxCallArguments: 8 };
/** What the arguments of a call may be made of, values and characters: a rule walks them once for each of them at most. */
const mostValues = 1_000;
const mostCharacters = 256 * 1024;

/** Functions whose cost grows with the length of what they are given, and no further. */
const functions: ReadonlySet<string> = new Set(
  'has size startsWith endsWith contains lowerAscii upperAscii trim int double string bool type dyn'.split(' '),
);
const walks: ReadonlySet<string> = new Set(['all', 'exists', 'exists_one', 'filter', 'map']);

const environment = (): Environment =>
  new Environment({ limits: structure })
    .registerVariable('principal', 'map')
    .registerVariable('server', 'string')
    .registerVariable('tool', 'map')
    .registerVariable('arguments', 'map');

/**
 * Why an expression is no rule. Its work is bounded by what it may be made of: no regular expressions (29 characters of
 * an argument hold `^(a+)+$` up for 39 s), and no walk within a walk.
 */
export function expressionProblem(expression: string): ExpressionProblem | undefined {
  let parsed: ParseResult;
  try {
    parsed = environment().parse(expression);
  } catch (error) {
    return { message: `no CEL expression: ${firstLine(error)}` };
  }
  const refused = refusedIn(parsed.ast, false);
  if (refused !== undefined) return refused;
  const { valid, type, error } = parsed.check();
  if (!valid) {
    return {
      message: `no rule: ${firstLine(error)}`,
      hint: 'variables are principal (name, groups), server, tool (name, annotations) and arguments',
    };
  }
  if (type === 'bool' || type === 'dyn') return undefined;
  return { message: `a rule is true or false, and this is of type ${type}` };
}

const firstLine = (error: unknown): string =>
  (error instanceof Error ? error.message : String(error)).split('\n')[0]?.trim() ?? '';

const isNode = (value: unknown): value is ASTNode => typeof value === 'object' && value !== null && 'op' in value;

function refusedIn(value: unknown, isWithin: boolean): ExpressionProblem | undefined {
  if (Array.isArray(value)) {
    for (const one of value) {
      const refused = refusedIn(one, isWithin);
      if (refused !== undefined) return refused;
    }
    return undefined;
  }
  if (!isNode(value)) return undefined;
  const { op, args } = value;
  if (op !== 'call' && op !== 'rcall') return refusedIn(args, isWithin);
  const name = String(Array.isArray(args) ? args[0] : '');
  const isWalk = walks.has(name);
  if (isWalk && isWithin) {
    return { message: `${name} within another walk of a list: a client could make it as slow as it wants` };
  }
  if (isWalk || functions.has(name)) return refusedIn(args, isWithin || isWalk);
  return {
    message: `${name} cannot be used in a rule`,
    hint:
      name === 'matches'
        ? 'a client could make a regular expression as slow as it wants: use startsWith, endsWith, contains, == or in'
        : `functions are ${[...functions, ...walks].join(', ')}`,
  };
}

/**
 * Holds calls against rules: the first whose expression is true decides. Where there are rules that allow, what none
 * decides is refused. A rule that cannot be worked out refuses.
 */
export function judgeOf(rules: readonly CallRule[]): Judge {
  const parser = environment();
  const compiled = rules.map((rule) => ({ ...rule, isTrue: parser.parse(rule.expression) }));
  const last = compiled.findLast(({ effect }) => effect === 'allow');
  return {
    needsAnnotations: rules.some(({ expression }) => expression.includes('annotations')),
    refusal(facts) {
      if (!isSmall(facts.arguments)) {
        const [first] = compiled;
        return first && { ...placeOf(first), why: 'the arguments are too large to be held against the rules' };
      }
      const context = { ...facts, arguments: plain(facts.arguments), tool: plain(facts.tool) };
      for (const rule of compiled) {
        let isTrue: unknown;
        try {
          isTrue = rule.isTrue(context);
        } catch (error) {
          return { ...placeOf(rule), why: `the rule cannot be worked out: ${firstLine(error)}` };
        }
        if (typeof isTrue !== 'boolean') return { ...placeOf(rule), why: 'the rule is neither true nor false' };
        if (isTrue) return rule.effect === 'allow' ? undefined : { ...placeOf(rule), why: 'a rule denies it' };
      }
      return last && { ...placeOf(last), why: 'no rule allows it' };
    },
  };
}

const placeOf = ({ effect, expression, file, line }: CallRule) => ({
  rule: `${effect}: ${expression}`,
  from: `${file}:${line}`,
});

function isSmall(value: unknown): boolean {
  let values = 0;
  let characters = 0;
  const rest = [value];
  while (rest.length > 0) {
    const one = rest.pop();
    values += 1;
    if (typeof one === 'string') characters += one.length;
    else if (typeof one === 'object' && one !== null && !JSON.isRawJSON(one)) {
      for (const [key, inner] of Object.entries(one)) {
        characters += key.length;
        rest.push(inner);
        if (rest.length > mostValues) return false;
      }
    }
    if (values > mostValues || characters > mostCharacters) return false;
  }
  return true;
}

/** Plain values: of a number that JavaScript would write otherwise the nearest one. */
function plain(value: unknown): unknown {
  if (JSON.isRawJSON(value)) return Number(value.rawJSON);
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== 'object' || value === null) return value;
  return new Map(Object.entries(value).map(([key, inner]) => [key, plain(inner)]));
}
