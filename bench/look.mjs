import { withComposeProject } from './lib/compose.mjs';
import { looms, onSpecs, removeProject } from './lib/looms.mjs';
import { inTurn, printRatios, runProgram } from './lib/measure.mjs';
import { composeFile, loomsSpecs, shellArgv } from './lib/specs.mjs';

const rounds = 9;
const image = 'debian:bookworm-slim';
const project = 'bench-look';

/** Looking at what runs and finding nothing to do, beside Compose's own, with the same servers on one engine. */
export async function benchLook() {
  for (const count of [20, 50, 200]) {
    const specs = loomsSpecs(count, { image, argv: shellArgv });
    try {
      await onSpecs(project, specs, ['apply', '--yes', '--parallelism', '8']);
      const ours = {
        'looms get': async () => (await runProgram(process.execPath, [looms, 'get', '--project', project])).ms,
        'looms diff': async () => (await onSpecs(project, specs, ['diff'])).ms,
      };
      const text = composeFile(count, { image, command: ['sleep', 'infinity'] });
      const times = await withComposeProject(project, text, (compose) => {
        const theirs = compose && {
          'docker compose ps': async () => (await compose('ps')).ms,
          'docker compose up -d': async () => (await compose('up', '-d')).ms,
        };
        return inTurn(rounds, { ...theirs, ...ours });
      });
      printRatios(`Listing ${count} servers`, [
        ['docker compose ps', times['docker compose ps']],
        ['looms get', times['looms get']],
      ]);
      printRatios(`Nothing to do for ${count} servers`, [
        ['docker compose up -d', times['docker compose up -d']],
        ['looms diff', times['looms diff']],
      ]);
    } finally {
      await removeProject(project);
    }
  }
}
