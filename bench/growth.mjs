import { readFileSync } from 'node:fs';
import { looms, onSpecs, removeProject } from './lib/looms.mjs';
import { median, printTable, runProgram } from './lib/measure.mjs';
import { planRows } from './lib/plan-growth.mjs';
import { simulateEngine } from './lib/simulated-engine.mjs';
import { loomsSpecs, names, shellArgv } from './lib/specs.mjs';

const counts = [10, 50, 200, 1000];
const rounds = 5;
const project = 'bench-growth';
const server = { image: 'debian:bookworm-slim', argv: shellArgv };

/** The labels that looms writes on the containers of these specs, from the plan that would make them. */
async function plannedLabels(specs) {
  const { stdout } = await onSpecs(project, specs, ['diff', '--json'], { exits: [2] });
  const creations = JSON.parse(stdout).steps.filter(({ op }) => op === 'create-container');
  return new Map(creations.map((step) => [step.server, step.container.ownLabels]));
}

/** Most memory that a program took, MiB, as Linux counts it; undefined elsewhere. */
async function peakMemory(args, input) {
  let peak;
  await runProgram(process.execPath, [looms, ...args], {
    input,
    onStart: ({ pid }) => {
      const look = () => {
        try {
          const [, kib] = /^VmHWM:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
          if (kib !== undefined) peak = Number(kib) / 1024;
        } catch {
          return;
        }
        setTimeout(look, 5).unref();
      };
      look();
    },
  });
  return peak;
}

/** How finding nothing to do grows with the number of servers: on a simulated engine, and the plan alone in memory. */
export async function benchGrowth() {
  const [model] = names(1);
  const specsOf = (count) => loomsSpecs(count, server);
  const labels = await plannedLabels(specsOf(Math.max(...counts)));
  await onSpecs(project, specsOf(1), ['apply', '--yes']);
  try {
    const rows = [];
    for (const count of counts) {
      const engine = await simulateEngine(
        project,
        model,
        new Map(names(count).map((name) => [name, labels.get(name)])),
      );
      try {
        const args = ['diff', '--project', project, '--host', engine.host, '-f', '-'];
        const times = [];
        for (let round = 0; round < rounds; round += 1) {
          times.push((await runProgram(process.execPath, [looms, ...args], { input: specsOf(count) })).ms);
        }
        rows.push({ count, ms: median(times), mib: await peakMemory(args, specsOf(count)) });
      } finally {
        await engine.close();
      }
    }
    printTable(
      'looms diff without changes, on a simulated engine',
      rows.map(({ count, ms, mib }) => [`${count} servers`, { ms, ratio: ms / rows[0].ms, mib }]),
    );
  } finally {
    await removeProject(project);
  }
  printTable('a plan in memory', planRows([1000, 10_000]));
}
