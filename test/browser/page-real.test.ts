import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Browser } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { withoutEngine } from '../support/images.ts';
import { emptyFolder } from '../support/looms.ts';
import { type TestProject, testProject } from '../support/test-project.ts';
import { specs, tinySpec } from '../support/tiny-server.ts';
import { endLoops, soonMs, watchLoop } from '../support/watch-loop.ts';
import { accessibilityBreaches, expectNoProblems, launchBrowser, noBrowser, watchedPage } from './browser.ts';

describe.skipIf(noBrowser !== undefined || withoutEngine())('the page of looms serve --watch', () => {
  let browser: Browser;
  let project: TestProject | undefined;
  beforeAll(async () => {
    browser = await launchBrowser();
  });
  afterEach(async () => {
    await endLoops();
    await project?.remove();
    project = undefined;
  });
  afterAll(() => browser?.close());

  /** A gateway with a loop over two servers; where its page is, as `looms dashboard` prints it. */
  async function serving(one: TestProject, ...flags: readonly string[]) {
    const folder = join(emptyFolder(), 'specs');
    mkdirSync(folder);
    const write = (...texts: readonly string[]): void => writeFileSync(join(folder, 'mcp.yaml'), specs(...texts));
    write(tinySpec({ name: 'fs' }), tinySpec({ name: 'web' }));
    const loop = watchLoop(one, 'serve', '--watch', '-f', folder, '--listen', '127.0.0.1:0', ...flags);
    await loop.told(flags.includes('--dry-run') ? 'drift' : 'changed');
    const address = async (): Promise<string> => {
      const { stdout, stderr } = await one.run(['dashboard', '--json']);
      expect(stdout, stderr).not.toBe('');
      return JSON.parse(stdout).url;
    };
    return { loop, write, address };
  }

  test('shows what runs, calls a tool of it, stops and starts it, and follows what is changed by hand', async () => {
    const one = testProject('page');
    project = one;
    const { address } = await serving(one);
    const url = await address();
    const watched = await watchedPage(browser, url, { width: 1600, scheme: 'dark' });
    const { page } = watched;
    const listed = page.getByRole('navigation').getByRole('link', { name: /^fs/ });
    await page.goto(url);
    await listed.getByText('healthy').waitFor();
    expect(page.url()).not.toContain('c=');

    await listed.click();
    await page.getByRole('tab', { name: /^tools/ }).click();
    await page.getByLabel('times').fill('two');
    await page.getByRole('button', { name: 'call', exact: true }).click();
    await page.getByText('must be a whole number').waitFor();
    await page.getByLabel(/^text/).fill('a word');
    await page.getByLabel('times').fill('2');
    await page.getByRole('button', { name: 'call', exact: true }).click();
    await page.getByText('a word a word', { exact: true }).waitFor();
    await page.getByRole('tab', { name: 'audit' }).click();
    // The end of a call is written after its answer.
    await eventually(async () => {
      await page.getByRole('button', { name: 'look again' }).click();
      await page.getByRole('row', { name: /echo.*ok/ }).waitFor({ timeout: 1_000 });
    }, soonMs);

    await page.getByRole('button', { name: 'stop', exact: true }).click();
    await page.getByLabel('to go on, type').fill('fs');
    await page.keyboard.press('Enter');
    await listed.getByText('stopped').waitFor();
    expect((await one.container('fs').inspect()).State.Running).toBe(false);
    await page.getByRole('button', { name: 'start', exact: true }).click();
    await eventually(async () => expect((await one.container('fs').inspect()).State.Running).toBe(true), soonMs);
    await listed.getByText('healthy').waitFor();

    await page.getByRole('tab', { name: 'events' }).click();
    await one.container('fs').update({ Memory: 256 * 1024 ** 2, MemorySwap: 256 * 1024 ** 2 });
    await page.getByText('because changed outside looms').waitFor();
    await page.getByText('docker_backend.resource_limits.memory_mb').first().waitFor();
    await page.getByRole('tab', { name: 'history' }).click();
    await page.getByText('running').first().waitFor();
    expect(await accessibilityBreaches(page)).toEqual([]);
    expectNoProblems(watched);
    await page.context().close();
  });

  test('carries out the plan that waits when it is told to, and lets a token only look that may do no more', async () => {
    const one = testProject('page-plan');
    project = one;
    const { address } = await serving(one, '--dry-run');
    const made = await one.run(['token', 'new', '--name', 'viewer', '--allow', 'looms:page', '--json']);
    const { token } = JSON.parse(made.stdout);
    const place = (await address()).replace(/#.*$/, '');
    const watched = await watchedPage(browser, place, { width: 400, scheme: 'light' });
    const { page } = watched;

    await page.goto(place);
    await page.getByLabel('or a token').fill(token);
    await page.keyboard.press('Enter');
    await page.getByRole('link', { name: /^plan waits/ }).click();
    await page.getByText('fs', { exact: false }).first().waitFor();
    expect(await page.getByRole('button', { name: 'carry out this plan' }).count()).toBe(0);
    await page.getByRole('button', { name: 'sign out' }).click();
    await page.getByRole('button', { name: 'sign in' }).waitFor();

    // In the tab that is open already.
    await page.goto(await address());
    await page.getByRole('link', { name: /^plan waits/ }).click();
    await page.getByRole('button', { name: 'carry out this plan' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'carry out' }).click();
    await page.getByText('In sync: everything runs as declared.').waitFor({ timeout: 2 * soonMs });
    expect(await one.names()).toEqual(['fs', 'web']);
    expect(await accessibilityBreaches(page)).toEqual([]);
    expectNoProblems(watched);
    await page.context().close();
  });
});
