import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { looms } from './looms.mjs';

/** Ticks of the clock that Linux counts CPU time in, a second. */
const ticks = 100;

/**
 * A gateway of a project, as a process of its own.
 *
 * @param {string} project
 * @param {{ flags?: readonly string[], cwd?: string, env?: NodeJS.ProcessEnv }} [options]
 */
export async function startGateway(project, { flags = [], ...options } = {}) {
  const most = ['--max-sessions', '200', '--max-per-principal', '200'];
  const args = [looms, 'serve', '--json', '--project', project, ...most, ...flags];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'], ...options });
  const { socket } = await new Promise((resolve, reject) => {
    let text = '';
    child.on('exit', (code) => reject(new Error(`looms serve ended with ${code}`)));
    child.stdout.on('data', (piece) => {
      text += piece;
      if (text.includes('}\n')) resolve(JSON.parse(text));
    });
  });
  const stat = () => readFileSync(`/proc/${child.pid}/stat`, 'utf8').replace(/^.*\)/s, '').trim().split(' ');
  return {
    socket,
    /** CPU time so far, ms. */
    cpuMs: () => ((Number(stat()[11]) + Number(stat()[12])) * 1000) / ticks,
    /** What is its own of memory, and its share of what is not, MiB. */
    mib: () => Number(/^Pss:\s+(\d+)/m.exec(readFileSync(`/proc/${child.pid}/smaps_rollup`, 'utf8'))[1]) / 1024,
    stop: () =>
      new Promise((resolve) => {
        child.removeAllListeners('exit').on('exit', resolve);
        child.kill('SIGINT');
      }),
  };
}
