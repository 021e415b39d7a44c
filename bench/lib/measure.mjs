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
 * @param {{ cwd?: string, env?: NodeJS.ProcessEnv, input?: string, exits?: readonly number[], answer?: string }} [options]
 * @returns {Promise<{ stdout: string, ms: number, answeredMs: number | undefined }>} `answeredMs`: until `answer` was seen
 */
export function runProgram(command, args, options = {}) {
  return new Promise((resolve, reject) => {
    const started = performance.now();
    const child = spawn(command, args, { cwd: options.cwd, env: options.env ?? process.env, stdio: 'pipe' });
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

const seconds = (ms) => `${(ms / 1000).toFixed(ms < 10_000 ? 2 : 1)} s`;

/**
 * Prints rows beside the first one, which is the yardstick.
 *
 * @param {string} title
 * @param {readonly (readonly [string, number | undefined])[]} rows label and ms; undefined: could not be measured here
 */
export function printRatios(title, rows) {
  const [first] = rows;
  const yardstick = first?.[1] ?? Number.NaN;
  const width = Math.max(...rows.map(([label]) => label.length));
  console.log(`\n${title}`);
  for (const [label, ms] of rows) {
    const figures =
      ms === undefined ? 'not here' : `${seconds(ms).padStart(8)}  ${(ms / yardstick).toFixed(2).padStart(6)} x`;
    console.log(`  ${label.padEnd(width)}  ${figures}`);
  }
}
