import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { readPolicyFiles } from '../../../src/cli/project/policy-files.ts';
import { readProjectFile } from '../../../src/cli/project/project-file.ts';
import { allPolicies, rulesAnew } from '../../../src/cli/project/rules-anew.ts';
import { localFiles } from '../../../src/files/local-files.ts';
import { emptyFolder } from '../../support/looms.ts';

const strict =
  'policy: { max_memory_mb: 64, projects: { "*": { calls_per_day: 5 } } }\nalerts: [health is down for 2m]\n';

/** The rules of a checkout with a project in it, as a program that runs on reads them; what comes while it waits is made by `meanwhile`. */
async function running(text: string | undefined) {
  const root = emptyFolder();
  const folder = join(root, 'project');
  const home = join(root, 'home');
  for (const one of [folder, join(root, '.git'), join(home, 'looms')]) mkdirSync(one, { recursive: true });
  const paths = { project: join(folder, 'looms.yaml'), above: join(root, 'looms.yaml') };
  if (text !== undefined) writeFileSync(paths.project, text);
  const environment = { HOME: home, XDG_CONFIG_HOME: home };
  const place = { files: localFiles(environment, folder), workingDirectory: folder };
  const meanwhile: (() => void)[] = [];
  const reading = {
    readProject: () => readProjectFile(place, [], environment),
    readPolicyFiles: () => readPolicyFiles(place, environment),
    pause: async () => meanwhile.shift()?.(),
  };
  const found = await Promise.all([reading.readProject(), reading.readPolicyFiles()]);
  const anew = rulesAnew({ projectFile: found[0], policies: allPolicies(found) }, reading);
  const ofUser = join(home, 'looms/policy.yaml');
  const said = async () => ({
    memory: (await anew.readPolicies()).map(({ rules }) => rules.maxMemoryMiB),
    alerts: (await anew.readAlerts()).rules.map((rule) => rule.text),
  });
  return { ...paths, ofUser, anew, said, meanwhile };
}

const asWritten = { memory: [64], alerts: ['health is down for 2m'] };

test('a looms.yaml that is gone stands for no fewer rules, nor does the next one upwards', async () => {
  const { project, above, anew, said } = await running(strict);
  expect(await said()).toEqual(asWritten);
  for (const change of [() => rmSync(project), () => writeFileSync(above, 'policy: { max_memory_mb: 512 }\n')]) {
    change();
    for (const read of [anew.readProjectFile, anew.readPolicies, anew.readAlerts])
      await expect(read()).rejects.toMatchObject({ code: 'file-not-found', message: expect.stringMatching(/is gone/) });
  }
  writeFileSync(project, strict);
  expect(await said()).toEqual(asWritten);
});

test('a file that is empty for a moment, while it is written, is not believed; one that stays so is', async () => {
  const { project, ofUser, anew, said, meanwhile } = await running(strict);
  const ofMachine = 'max_memory_mb: 32\n';
  const write = (path: string, text: string) => writeFileSync(path, text, { mode: 0o644 });
  write(ofUser, ofMachine);
  await anew.readPolicies();
  for (const [path, text, read] of [
    [project, strict, anew.readPolicies],
    [project, strict, anew.readAlerts],
    [ofUser, ofMachine, anew.readPolicies],
  ] as const) {
    const before = await read();
    write(path, '');
    meanwhile.push(() => write(path, text));
    expect(await read()).toEqual(before);
    expect(meanwhile).toEqual([]);
  }
  expect(await said()).toEqual({ memory: [64, 32], alerts: asWritten.alerts });
  write(project, '');
  expect(await said()).toEqual({ memory: [undefined, 32], alerts: [] });
});

test('a looms.yaml that came later counts', async () => {
  const { project, said } = await running(undefined);
  expect(await said()).toEqual({ memory: [], alerts: [] });
  writeFileSync(project, strict);
  expect(await said()).toEqual(asWritten);
});
