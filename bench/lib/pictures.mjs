import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { chromium } from 'playwright-core';
import { ensureBrowser } from '../../scripts/lib/ensure-browser.mjs';
import { fragmentOf } from '../../web/state/route.ts';

const views = [
  { width: 1600, height: 1000, colorScheme: 'dark' },
  { width: 1600, height: 1000, colorScheme: 'light' },
  { width: 400, height: 800, colorScheme: 'light' },
];

/**
 * Takes pictures of the page of a gateway in Chromium: the whole project and some servers, in the views that a person has.
 *
 * @param {string} folder where they go, as `NAME-PLACE-WIDTH-SCHEME.png`; made if need be
 * @param {{ name: string, servers: readonly string[], address: () => Promise<string> }} subject `address`: one that lets
 *   somebody in once, as `looms dashboard` prints it
 * @returns {Promise<readonly string[]>} what the page did that it must not do: errors, and places that are wider than the window
 */
export async function takePictures(folder, { name, servers, address }) {
  mkdirSync(folder, { recursive: true });
  const places = [
    { of: 'list' },
    ...['overview', 'events', 'log', 'audit'].map((tab) => ({ of: 'project', tab })),
    ...servers.flatMap((server) => ['overview', 'events', 'history'].map((tab) => ({ of: 'server', server, tab }))),
  ];
  const asRoot = process.getuid?.() === 0 ? ['--no-sandbox'] : [];
  const browser = await chromium.launch({
    executablePath: await ensureBrowser(),
    args: [...asRoot, '--disable-dev-shm-usage'],
    timeout: 120_000,
  });
  const problems = [];
  try {
    for (const view of views) {
      const { width, height, colorScheme } = view;
      const context = await browser.newContext({ viewport: { width, height }, colorScheme });
      context.setDefaultTimeout(120_000);
      const page = await context.newPage();
      page.on('pageerror', ({ message }) => problems.push(`error: ${message}`));
      await page.goto(await address());
      await page.getByRole('banner').waitFor();
      for (const place of places) {
        const fragment = fragmentOf(place);
        await page.evaluate((to) => {
          location.hash = to;
        }, fragment);
        await page.locator(`.at-${place.of}`).waitFor();
        await page.getByText('asking …').first().waitFor({ state: 'detached' });
        const wide = await page.evaluate(
          () => document.documentElement.scrollWidth - document.documentElement.clientWidth,
        );
        if (wide > 0) problems.push(`${fragment} at ${width} pixels: ${wide} pixels too wide`);
        const file = [name, ...Object.values(place), width, colorScheme].join('-');
        await page.screenshot({ path: join(folder, `${file}.png`) });
      }
      await context.close();
    }
  } finally {
    await browser.close();
  }
  return problems;
}
