import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import axe from 'axe-core';
import { type Browser, chromium, type Page } from 'playwright-core';
import { expect } from 'vitest';

const names = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'];

/** The browser of this machine: what `LOOMS_CHROMIUM` names, else the first one on the path. */
function executable(): string | undefined {
  const given = process.env.LOOMS_CHROMIUM;
  if (given) return given;
  const folders = (process.env.PATH ?? '').split(delimiter);
  return folders.flatMap((folder) => names.map((name) => join(folder, name))).find((path) => existsSync(path));
}

/** Why no test of the page runs here, in words; undefined where one can. `npm test` installs a browser, and says it where it cannot. */
export const noBrowser: string | undefined =
  process.env.LOOMS_TEST_NO_BROWSER ||
  (executable() === undefined && process.env.CI !== 'true' ? 'no Chromium here: apt-get install chromium' : undefined);

export async function launchBrowser(): Promise<Browser> {
  const executablePath = executable();
  if (executablePath === undefined) throw new Error('no Chromium here: apt-get install chromium');
  // Chromium refuses to run its sandbox as root, as tests in a container do; /dev/shm is small there.
  const asRoot = process.getuid?.() === 0 ? ['--no-sandbox'] : [];
  return chromium.launch({ executablePath, args: [...asRoot, '--disable-dev-shm-usage'], timeout: 120_000 });
}

export type View = { readonly width: 400 | 1600; readonly scheme: 'light' | 'dark' };

export type Watched = {
  readonly page: Page;
  /** What a page must not do: breaches of its policy, errors, requests to elsewhere. */
  readonly problems: readonly string[];
};

/** A page in a window of its own, of which nothing that it must not do is missed. Answers of the gateway that refuse are no problem. */
export async function watchedPage(browser: Browser, url: string, { width, scheme }: View): Promise<Watched> {
  const context = await browser.newContext({
    viewport: { width, height: width === 400 ? 800 : 1000 },
    colorScheme: scheme,
  });
  context.setDefaultTimeout(120_000);
  const page = await context.newPage();
  const problems: string[] = [];
  await page.exposeFunction('tellBreach', (breach: string) => void problems.push(`policy: ${breach}`));
  await page.addInitScript(() => {
    document.addEventListener('securitypolicyviolation', ({ violatedDirective, blockedURI }) => {
      (globalThis as unknown as { tellBreach: (text: string) => void }).tellBreach(
        `${violatedDirective} ${blockedURI}`,
      );
    });
  });
  page.on('pageerror', ({ message }) => problems.push(`error: ${message}`));
  page.on('console', (message) => {
    const isRefusal =
      /Failed to load resource: (?:the server responded with a status of (?:4\d\d|5\d\d)|net::ERR)/.test(
        message.text(),
      );
    if (['error', 'warning'].includes(message.type()) && !isRefusal) problems.push(`console: ${message.text()}`);
  });
  page.on('request', (request) => {
    if (new URL(request.url()).origin !== new URL(url).origin) problems.push(`request: ${request.url()}`);
  });
  return { page, problems };
}

type Finding = {
  readonly id: string;
  readonly nodes: readonly { readonly html: string; readonly failureSummary?: string }[];
};

/** What of WCAG 2.2 AA and of good practice a page breaks, as axe sees it; nothing is left out. */
export async function accessibilityBreaches(page: Page): Promise<readonly string[]> {
  await page.evaluate(axe.source);
  const violations = await page.evaluate(async (): Promise<readonly Finding[]> => {
    const { axe: tool } = globalThis as unknown as {
      axe: { run: (on: unknown, options: object) => Promise<{ violations: readonly Finding[] }> };
    };
    const rules = { 'target-size': { enabled: true } };
    return (await tool.run(document, { rules, resultTypes: ['violations'] })).violations;
  });
  return violations.flatMap(({ id, nodes }) =>
    nodes.map(({ html, failureSummary }) => `${id}: ${html}\n${failureSummary}`),
  );
}

/** Where the focus is: the name that it has to who hears it. */
export const focusName = (page: Page): Promise<string> =>
  page.evaluate(() => {
    const element = document.activeElement;
    return (element?.getAttribute('aria-label') ?? element?.textContent ?? '').trim();
  });

/** Fails with all that a page did which it must not do. */
export const expectNoProblems = ({ problems }: Watched): void => expect(problems).toEqual([]);
