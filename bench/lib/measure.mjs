import { spawn } from 'node:child_process';
import { performance } from 'node:perf_hooks';

/**
 * @param {() => Promise<unknown>} work
 * @returns {Promise<number>} how long it took, ms
 */
export async function timed(work) {
  const started = performance.now();
  await work();
  return performance.now() - started;
}

/** @param {readonly number[]} values */
export const median = (values) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;

/**
 * Runs two kinds of work in turn, so that a machine that gets slower slows both.
 *
 * @param {number} rounds
 * @param {Record<string, () => Promise<number>>} kinds each returns its own time, ms
 * @returns {Promise<Record<string, number>>} the median of each, ms
 */
export async function inTurn(rounds, kinds) {
  const times = Object.fromEntries(Object.keys(kinds).map((name) => [name, []]));
  for (let round = 0; round < rounds; round += 1) {
    for (const [name, work] of Object.entries(kinds)) times[name].push(await work());
  }
  return Object.fromEntries(Object.entries(times).map(([name, values]) => [name, median(values)]));
}

/**
 * Runs a program to its end without a terminal.
 *
 * @param {string} command
 * @param {readonly string[]} args
 * @param {{ cwd?: string, env?: NodeJS.ProcessEnv, input?: string, exits?: readonly number[], answer?: string, onStart?: (child: import('node:child_process').ChildProcess) => void }} [options]
 * @returns {Promise<{ stdout: string, ms: number, answeredMs: number | undefined }>} `answeredMs`: until `answer` was seen
 */
export function runProgram(command, args, options = {}) {
  return new Promise((resolve, reject) => {
    const started = performance.now();
    const child = spawn(command, args, { cwd: options.cwd, env: options.env ?? process.env, stdio: 'pipe' });
    options.onStart?.(child);
    const out = [];
    const err = [];
    let answeredMs;
    child.stdout.on('data', (chunk) => {
      out.push(chunk);
      if (options.answer !== undefined && chunk.includes(options.answer)) answeredMs ??= performance.now() - started;
    });
    child.stderr.on('data', (chunk) => err.push(chunk));
    child.on('error', reject);
    child.on('close', (code) => {
      const ms = performance.now() - started;
      if ((options.exits ?? [0]).includes(code)) resolve({ stdout: Buffer.concat(out).toString(), ms, answeredMs });
      else
        reject(
          new Error(`${command} ${args.join(' ')} ended with ${code}: ${Buffer.concat(err).toString().slice(-800)}`),
        );
    });
    child.stdin.end(options.input);
  });
}

const seconds = (ms) => (ms < 20 ? `${ms.toFixed(2)} ms` : `${(ms / 1000).toFixed(ms < 10_000 ? 2 : 1)} s`);

/**
 * What was printed so far, for `--json`: figures in ms (`ms`), MiB (`mib`) or as multiples of the first row (`ratio`).
 *
 * @type {{ title: string, rows: ({ label: string } & Record<string, number | string | undefined>)[] }[]}
 */
export const tables = [];

const columns = { ms: seconds, ratio: (value) => `${value.toFixed(2)} x`, mib: (value) => `${value.toFixed(0)} MiB` };

/**
 * Prints a table, and keeps it for `--json`.
 *
 * @param {string} title
 * @param {readonly (readonly [string, { [K in keyof typeof columns]?: number | undefined }])[]} rows
 */
export function printTable(title, rows) {
  tables.push({ title, rows: rows.map(([label, figures]) => ({ label, ...figures })) });
  const width = Math.max(...rows.map(([label]) => label.length));
  console.log(`\n${title}`);
  for (const [label, figures] of rows) {
    const cells = Object.entries(columns).flatMap(([name, text]) =>
      figures[name] === undefined ? [] : [text(figures[name]).padStart(9)],
    );
    console.log(`  ${label.padEnd(width)}  ${cells.length === 0 ? 'not here' : cells.join('  ')}`);
  }
}

/**
 * Prints figures beside what they are meant to be, and whether they are.
 *
 * @param {string} title
 * @param {readonly { label: string, value: number, unit: string, digits?: number, most?: number, least?: number }[]} rows
 *   aims are in the unit of the value; without one there is no verdict
 */
export function printVerdicts(title, rows) {
  const verdictOf = ({ value, most = Number.POSITIVE_INFINITY, least = Number.NEGATIVE_INFINITY }) =>
    value <= most && value >= least ? 'met' : 'missed';
  const judged = rows.map((row) => {
    const { unit, most, least } = row;
    const aim = most === undefined ? (least === undefined ? undefined : `≥ ${least}`) : `≤ ${most}`;
    return { ...row, aim: aim && `${aim} ${unit}`, verdict: aim && verdictOf(row) };
  });
  tables.push({ title, rows: judged });
  const width = Math.max(...rows.map(({ label }) => label.length));
  console.log(`\n${title}`);
  for (const { label, value, unit, digits = 0, aim, verdict } of judged) {
    const said = aim === undefined ? '' : `  aim ${aim}: ${verdict}`;
    console.log(`  ${label.padEnd(width)}  ${value.toFixed(digits).padStart(8)} ${unit.padEnd(9)}${said}`.trimEnd());
  }
}

/**
 * Prints rows beside the first one, which is the yardstick.
 *
 * @param {string} title
 * @param {readonly (readonly [string, number | undefined])[]} rows label and ms; undefined: could not be measured here
 */
export function printRatios(title, rows) {
  const yardstick = rows[0]?.[1] ?? Number.NaN;
  printTable(
    title,
    rows.map(([label, ms]) => [label, ms === undefined ? {} : { ms, ratio: ms / yardstick }]),
  );
}
