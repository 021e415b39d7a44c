import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { fragmentOf, projectTabs, type Route, serverTabs } from '../../web/state/route.ts';
import {
  accessibilityBreaches,
  expectNoProblems,
  launchBrowser,
  noBrowser,
  type View,
  watchedPage,
} from './browser.ts';
import { startPageGateway } from './page-gateway.ts';

const views: readonly View[] = [
  { width: 1600, scheme: 'light' },
  { width: 1600, scheme: 'dark' },
  { width: 400, scheme: 'light' },
  { width: 400, scheme: 'dark' },
];

const places: readonly Route[] = [
  { of: 'list' },
  ...projectTabs.map((tab): Route => ({ of: 'project', tab })),
  ...serverTabs.map((tab): Route => ({ of: 'server', server: 'files', tab })),
  { of: 'server', server: 'scraper', tab: 'overview' },
  { of: 'server', server: 'search', tab: 'diff' },
  { of: 'server', server: 'nobody', tab: 'overview' },
];

describe.skipIf(noBrowser !== undefined)(
  `the look of the page${noBrowser === undefined ? '' : ` (${noBrowser})`}`,
  () => {
    let browser: Browser;
    beforeAll(async () => {
      browser = await launchBrowser();
    });
    afterAll(() => browser?.close());

    test.each(views)('is WCAG 2.2 AA at $width pixels in $scheme, and fits its width', async (view) => {
      await using gateway = await startPageGateway();
      const watched = await watchedPage(browser, gateway.url, view);
      const { page } = watched;
      const found: string[] = [];
      const look = async (name: string): Promise<void> => {
        found.push(...(await accessibilityBreaches(page)).map((breach) => `${name}: ${breach}`));
        const wide = await page.evaluate(
          () => document.documentElement.scrollWidth - document.documentElement.clientWidth,
        );
        if (wide > 0) found.push(`${name}: ${wide} pixels too wide`);
        // Of a change that has to be scrolled to, only what was there before would be seen.
        const cut = await page.evaluate(
          () =>
            [...document.querySelectorAll('.differences')].filter(
              ({ parentElement: box }) => box !== null && box.scrollWidth > box.clientWidth,
            ).length,
        );
        if (cut > 0) found.push(`${name}: ${cut} changes are not seen whole`);
        const beyond = await page.evaluate(
          () =>
            [...document.querySelectorAll('[role="tab"], .records td, .log-head > *')].filter((one) => {
              const box = one.closest('.scroll, .tabs, .log-head')?.getBoundingClientRect();
              return box !== undefined && one.getBoundingClientRect().right > box.right + 1;
            }).length,
        );
        if (beyond > 0) found.push(`${name}: ${beyond} tabs, cells or filters stand beyond the edge`);
        const placeholders = await page.evaluate(
          () =>
            [...document.querySelectorAll('input')].filter((input) => {
              const text = document.createElement('span');
              text.style.cssText = `font: ${getComputedStyle(input).font}; position: absolute; white-space: pre`;
              text.textContent = input.value === '' ? input.placeholder : '';
              document.body.append(text);
              const isCut = input.clientWidth > 0 && text.getBoundingClientRect().width > input.clientWidth;
              text.remove();
              return isCut;
            }).length,
        );
        if (placeholders > 0) found.push(`${name}: ${placeholders} inputs cut what they say`);
      };
      await page.goto(gateway.url);
      await page.getByRole('button', { name: 'sign in' }).waitFor();
      await look('sign-in');

      await page.getByLabel('or a token').fill('looms-token');
      await page.keyboard.press('Enter');
      await page.getByRole('banner').waitFor();
      for (const route of places) {
        const fragment = fragmentOf(route);
        await page.evaluate((to) => {
          location.hash = to;
        }, fragment);
        await page.locator(`.at-${route.of}`).waitFor();
        // What is asked for when it is looked at is there.
        await page.getByText('asking …').first().waitFor({ state: 'detached' });
        await look(fragment);
      }
      await page.getByRole('button', { name: 'keys' }).click();
      await look('keys');
      await page.keyboard.press('Escape');
      await page.evaluate(() => {
        location.hash = '#/servers/files/tools';
      });
      await page.getByRole('button', { name: 'call', exact: true }).click();
      await page.getByText('is needed').first().waitFor();
      await look('a form with problems');
      await page.getByRole('button', { name: 'stop' }).click();
      await look('a question');

      expect(found).toEqual([]);
      expectNoProblems(watched);
      await page.context().close();
    });
  },
);
