import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { asProjectName, asServerName } from '../../src/model/ids.ts';
import { eventually } from '../support/eventually.ts';
import {
  accessibilityBreaches,
  expectNoProblems,
  focusName,
  launchBrowser,
  noBrowser,
  type View,
  type Watched,
  watchedPage,
} from './browser.ts';
import { hostile, pageState } from './page-data.ts';
import { code, type PageGateway, startPageGateway } from './page-gateway.ts';

const wide: View = { width: 1600, scheme: 'light' };
const narrow: View = { width: 400, scheme: 'light' };

describe.skipIf(noBrowser !== undefined)(
  `the use of the page${noBrowser === undefined ? '' : ` (${noBrowser})`}`,
  () => {
    let browser: Browser;
    beforeAll(async () => {
      browser = await launchBrowser();
    });
    afterAll(() => browser?.close());

    /** A page whose visitor came by the address of `looms dashboard`. */
    async function entered(gateway: PageGateway, view = wide, fragment = ''): Promise<Watched> {
      const watched = await watchedPage(browser, gateway.url, view);
      await watched.page.goto(`${gateway.url}#c=${code}`);
      await watched.page.getByRole('banner').waitFor();
      if (fragment !== '') await to(watched.page, fragment);
      return watched;
    }
    const to = (page: Page, fragment: string): Promise<void> =>
      page.evaluate((there) => {
        location.hash = there;
      }, fragment);
    /** A server in the list. */
    const listed = (page: Page, name: string) =>
      page.getByRole('navigation').getByRole('link', { name: new RegExp(`^${name}`) });
    const bodies = (gateway: PageGateway, path: string): readonly unknown[] =>
      gateway.asked.filter((one) => one.path === path).map(({ body }) => body);

    test('takes a code out of the address at once, keeps its key in the tab alone, and is in after a reload', async () => {
      await using gateway = await startPageGateway();
      const watched = await entered(gateway);
      const { page } = watched;
      expect(page.url()).toBe(`${gateway.url}#/`);
      expect(await page.evaluate(() => history.length)).toBeLessThanOrEqual(2);
      const kept = await page.evaluate(() => ({
        session: Object.entries(sessionStorage),
        local: Object.entries(localStorage),
        cookie: document.cookie,
      }));
      expect(kept.session).toEqual([['looms.key', JSON.stringify({ token: 'key-1', principal: 'local' })]]);
      expect(JSON.stringify([kept.local, kept.cookie])).not.toContain('key-1');
      await page.reload();
      await page.getByRole('banner').waitFor();
      expect(bodies(gateway, '/page/session')).toEqual([{ code }]);
      expect(gateway.asked.map(({ path }) => path).filter((path) => /key-1|one-use/.test(path))).toEqual([]);
      expectNoProblems(watched);
    });

    test('says why a code does not let in, and takes a token instead; a session that has ended asks again', async () => {
      await using gateway = await startPageGateway();
      const watched = await watchedPage(browser, gateway.url, wide);
      const { page } = watched;
      await page.goto(`${gateway.url}#c=used-before`);
      await page.getByText('this code was used').waitFor();
      expect(page.url()).not.toContain('used-before');
      await page.getByLabel('or a token').fill('looms-token');
      await page.getByRole('button', { name: 'sign in' }).click();
      await page.getByRole('banner').waitFor();
      // Whoever is in stays in: an address with a code that is none may come from anywhere.
      await page.goto(`${gateway.url}#c=used-again`);
      await eventually(() => expect(bodies(gateway, '/page/session').at(-1)).toEqual({ code: 'used-again' }));
      await page.getByRole('banner').waitFor();
      expect(page.url()).not.toContain('used-again');
      gateway.forget();
      await listed(page, 'files').click();
      await page.getByText('the session of this page has ended').waitFor();
      expect(await page.evaluate(() => sessionStorage.length)).toBe(0);
      expectNoProblems(watched);
    });

    test('is walked by keyboard: filter, list, tabs, and back', async () => {
      await using gateway = await startPageGateway();
      const watched = await entered(gateway);
      const { page } = watched;
      const press = (key: string): Promise<void> => page.keyboard.press(key);
      await press('/');
      expect(await focusName(page)).toBe('filter servers by name');
      await page.keyboard.type('gith');
      await listed(page, 'browser').waitFor({ state: 'detached' });
      expect(await page.getByRole('navigation').getByRole('listitem').count()).toBe(1);
      await page.keyboard.press('ControlOrMeta+A');
      await press('Backspace');
      await press('Escape');
      await press('j');
      expect(await focusName(page)).toMatch(/^browser/);
      await press('j');
      await press('ArrowDown');
      await press('k');
      await press('j');
      expect(await focusName(page)).toMatch(/^files/);
      const outline = await page.evaluate(() => getComputedStyle(document.activeElement ?? document.body).outlineWidth);
      expect(outline).toBe('2px');
      await press('Enter');
      await page.getByRole('heading', { name: 'files' }).waitFor();
      await page.getByRole('tab', { name: 'overview' }).focus();
      await press('ArrowRight');
      await press('ArrowRight');
      await page.waitForURL(/#\/servers\/files\/log/);
      expect(await focusName(page)).toBe('log');
      // One stop for all tabs: the next one is in the panel.
      await press('Tab');
      expect(await focusName(page)).toBe('filter lines by a regular expression');
      await press('Escape');
      await page.getByRole('log').focus();
      await press('/');
      expect(await focusName(page)).toBe('filter lines by a regular expression');
      await page.goBack();
      await page.goBack();
      expect(page.url()).toContain('#/servers/files');
      await page.getByRole('button', { name: 'keys' }).click();
      await page.getByLabel('single keys are shortcuts').uncheck();
      await press('Escape');
      await press('/');
      expect(await focusName(page)).toBe('keys');
      expectNoProblems(watched);
    });

    test('shows list or server on a small screen', async () => {
      await using gateway = await startPageGateway();
      const watched = await entered(gateway, narrow);
      const { page } = watched;
      expect(await page.getByRole('tablist').isVisible()).toBe(false);
      await listed(page, 'files').click();
      await page.getByRole('tablist').waitFor();
      expect(await page.getByRole('navigation').isVisible()).toBe(false);
      await page.getByRole('link', { name: 'all servers' }).click();
      await page.getByRole('navigation').waitFor();
      await page.getByRole('link', { name: 'whole project' }).click();
      await page.getByRole('tab', { name: 'plan' }).click();
      await page.getByText('what is carried out by itself').or(page.getByText('--dry-run')).first().waitFor();
      expectNoProblems(watched);
    });

    test('calls a tool: says what is wrong beside its field, sends typed arguments, shows the answer', async () => {
      await using gateway = await startPageGateway();
      const watched = await entered(gateway, wide, '#/servers/files/tools');
      const { page } = watched;
      await page.getByRole('button', { name: 'call', exact: true }).click();
      await page.getByText('is needed').first().waitFor();
      expect(await focusName(page)).toBe('');
      expect(await page.evaluate(() => document.activeElement?.id)).toBe('argument-path');
      await page.keyboard.type('/data');
      await page.getByLabel(/^pattern/).fill('*.md');
      await page.getByLabel('limit').fill('1.5');
      await page.keyboard.press('Control+Enter');
      await page.getByText('must be a whole number').waitFor();
      expect(bodies(gateway, '/page/call')).toEqual([]);
      await page.getByLabel('limit').fill('12');
      await page.getByLabel('ratio').fill('0.25');
      await page.getByLabel('hidden').selectOption('false');
      await page.getByLabel('order').selectOption('size');
      await page.getByLabel('exclude').fill('a\nb');
      await page.getByLabel('file', { exact: true }).check();
      await page.getByLabel('link', { exact: true }).check();
      await page.getByLabel('where').fill('{"owner": "ann"}');
      const message = 'the policy of this project does not let ci read /data';
      gateway.answerNext('/page/call', { status: 403, body: { error: { code: 'refused', message } } });
      await page.getByRole('button', { name: 'call', exact: true }).click();
      await page.getByRole('alert').getByText(message).waitFor();
      await page.getByRole('button', { name: 'call', exact: true }).click();
      await page.getByText('called with').waitFor();
      await page.getByText('"/data/b.md"').waitFor();
      expect(bodies(gateway, '/page/call').at(-1)).toEqual({
        server: 'files',
        tool: 'search_files',
        arguments: {
          path: '/data',
          pattern: '*.md',
          limit: 12,
          ratio: 0.25,
          hidden: false,
          order: 'size',
          exclude: ['a', 'b'],
          kinds: ['file', 'link'],
          where: { owner: 'ann' },
        },
      });
      await page.getByRole('button', { name: 'anything' }).click();
      await page.getByLabel('arguments, as JSON').fill('[1]');
      await page.keyboard.press('Control+Enter');
      await page.getByText('must be a JSON object').waitFor();
      expectNoProblems(watched);
    });

    test('says beside its field what the gateway found wrong with an argument, in fields and as JSON', async () => {
      await using gateway = await startPageGateway();
      const watched = await entered(gateway, wide, '#/servers/files/tools');
      const { page } = watched;
      const fields = {
        where: 'where.owner must be of type string',
        '': 'the arguments may not have "x"',
        since: 'since is missing',
      };
      const error = { code: 'arguments-invalid', message: 'the arguments do not fit search_files', fields };
      await page.getByLabel(/^path/).fill('/data');
      await page.getByLabel(/^pattern/).fill('*.md');
      await page.getByLabel('where').fill('{"owner": 1}');
      gateway.answerNext('/page/call', { status: 400, body: { error } });
      await page.getByRole('button', { name: 'call', exact: true }).click();
      await page.locator('#argument-where-problem').getByText(fields.where).waitFor();
      // An argument that the form has no field for.
      await page.getByText(`${fields['']}; ${fields.since}`).waitFor();
      expect(await page.evaluate(() => document.activeElement?.id)).toBe('argument-where');
      expect(await accessibilityBreaches(page)).toEqual([]);
      await page.getByRole('button', { name: 'as JSON' }).click();
      gateway.answerNext('/page/call', { status: 400, body: { error } });
      await page.getByRole('button', { name: 'call', exact: true }).click();
      await page.locator('#argument--problem').getByText(fields.where).waitFor();
      expectNoProblems(watched);
    });

    test('asks a person what a server asks in the midst of a call, and goes on with the answers', async () => {
      await using gateway = await startPageGateway();
      const watched = await entered(gateway, wide, '#/servers/files/tools');
      const { page } = watched;
      const ask = (message: string, properties: object) => ({
        method: 'elicitation/create',
        params: { message, requestedSchema: { type: 'object', properties, required: Object.keys(properties) } },
      });
      const inputRequests = {
        who: ask('Whose files?', { owner: { type: 'string', maxLength: 40 } }),
        sure: ask('Are you sure?', { yes: { type: 'boolean' } }),
      };
      const result = { resultType: 'input_required', inputRequests, requestState: 'sealed' };
      await page.getByLabel(/^path/).fill('/data');
      await page.getByLabel(/^pattern/).fill('*');
      gateway.answerNext('/page/call', { status: 200, body: { result, milliseconds: 3 } });
      await page.getByRole('button', { name: 'call', exact: true }).click();
      await page.getByText('Whose files?').waitFor();
      expect(await accessibilityBreaches(page)).toEqual([]);
      await page.getByRole('button', { name: 'answer', exact: true }).click();
      await page.locator('#answer-owner-problem').getByText('is needed').waitFor();
      await page.getByLabel(/^owner/).fill('ann');
      await page.keyboard.press('Enter');
      await page.getByText('Are you sure?').waitFor();
      await page.getByRole('button', { name: 'decline' }).click();
      await page.getByText('called with').waitFor();
      const args = { path: '/data', pattern: '*' };
      const answers = {
        inputResponses: { who: { action: 'accept', content: { owner: 'ann' } }, sure: { action: 'decline' } },
        requestState: 'sealed',
      };
      expect(bodies(gateway, '/page/call')).toEqual([
        { server: 'files', tool: 'search_files', arguments: args },
        { server: 'files', tool: 'search_files', arguments: args, answers },
      ]);
      expectNoProblems(watched);
    });

    test('a call that is asked something is not made again, and its questions are cancelled when nobody answers', async () => {
      await using gateway = await startPageGateway();
      const watched = await entered(gateway, wide, '#/servers/files/tools');
      const { page } = watched;
      const requestedSchema = { type: 'object', properties: { owner: { type: 'string' } } };
      const asking = (...keys: readonly string[]) => ({
        resultType: 'input_required',
        inputRequests: Object.fromEntries(
          keys.map((key) => [key, { method: 'elicitation/create', params: { message: key, requestedSchema } }]),
        ),
        requestState: keys.join(),
      });
      const answerAsking = (...keys: readonly string[]): void =>
        gateway.answerNext('/page/call', { status: 200, body: { result: asking(...keys), milliseconds: 3 } });
      await page.getByLabel(/^path/).fill('/data');
      await page.getByLabel(/^pattern/).fill('*');
      answerAsking('who', 'when');
      await page.getByRole('button', { name: 'call', exact: true }).click();
      await page.getByText('it waits for an answer').waitFor();
      expect(await page.getByRole('button', { name: 'call', exact: true }).isDisabled()).toBe(true);
      answerAsking('why');
      await page.getByRole('tab', { name: 'log' }).click();
      const call = { server: 'files', tool: 'search_files', arguments: { path: '/data', pattern: '*' } };
      const cancelled = (...keys: readonly string[]) => ({
        ...call,
        answers: {
          inputResponses: Object.fromEntries(keys.map((key) => [key, { action: 'cancel' }])),
          requestState: keys.join(),
        },
      });
      await eventually(() =>
        expect(bodies(gateway, '/page/call')).toEqual([call, cancelled('who', 'when'), cancelled('why')]),
      );
      expectNoProblems(watched);
    });

    test('cancels the questions of a call when its tab goes', async () => {
      await using gateway = await startPageGateway();
      const watched = await entered(gateway, wide, '#/servers/files/tools');
      const { page } = watched;
      const inputRequests = { who: { method: 'elicitation/create', params: { message: 'who?', requestedSchema: {} } } };
      const result = { resultType: 'input_required', inputRequests, requestState: 'sealed' };
      gateway.answerNext('/page/call', { status: 200, body: { result, milliseconds: 3 } });
      await page.getByLabel(/^path/).fill('/data');
      await page.getByLabel(/^pattern/).fill('*');
      await page.getByRole('button', { name: 'call', exact: true }).click();
      await page.getByText('it waits for an answer').waitFor();
      await page.close({ runBeforeUnload: true });
      const call = { server: 'files', tool: 'search_files', arguments: { path: '/data', pattern: '*' } };
      const answers = { inputResponses: { who: { action: 'cancel' } }, requestState: 'sealed' };
      await eventually(() => expect(bodies(gateway, '/page/call')).toEqual([call, { ...call, answers }]));
    });

    test('stops a server only when its name is repeated, and has the plan carried out that is shown', async () => {
      await using gateway = await startPageGateway();
      const watched = await entered(gateway, wide, '#/servers/files');
      const { page } = watched;
      await page.getByRole('button', { name: 'stop' }).click();
      const dialog = page.getByRole('dialog');
      const agree = dialog.getByRole('button', { name: 'stop' });
      expect(await agree.isDisabled()).toBe(true);
      await dialog.getByLabel('to go on, type').fill('file');
      expect(await agree.isDisabled()).toBe(true);
      await dialog.getByLabel('to go on, type').fill('files');
      await page.keyboard.press('Enter');
      await page.getByText('stop of files: done').waitFor({ state: 'attached' });
      expect(bodies(gateway, '/page/act')).toEqual([{ deed: 'stop', server: 'files', repeat: 'files' }]);

      await page.getByRole('link', { name: /^plan waits/ }).click();
      await page.getByText('changed outside looms').first().waitFor();
      const message = 'another plan waits by now';
      gateway.answerNext('/page/plan', { status: 409, body: { error: { code: 'plan-stale', message } } });
      for (const answer of [message, 'done']) {
        await page.getByRole('button', { name: 'carry out this plan' }).click();
        await dialog.getByRole('button', { name: 'carry out' }).click();
        await page.getByText(answer, { exact: true }).first().waitFor();
      }
      const { plan } = pageState();
      const digest = plan.kind === 'known' ? plan.digest : '';
      expect(bodies(gateway, '/page/plan')).toEqual([{ digest }, { digest }]);
      expectNoProblems(watched);
    });

    test('shows why something that was asked for failed, where it was asked for', async () => {
      await using gateway = await startPageGateway();
      const watched = await entered(gateway, wide, '#/servers/mail');
      const { page } = watched;
      const failure = { code: 'gate-failed', message: 'mail did not answer', detail: [] };
      const servers = [{ server: 'mail', outcome: 'failed', failure }];
      gateway.answerNext('/page/act', { status: 200, body: { outcome: 'failed', servers, notices: [] } });
      await page.getByRole('button', { name: 'start', exact: true }).click();
      await page.locator('.note').getByText('mail: failed, mail did not answer').waitFor();
      expectNoProblems(watched);
    });

    test('shows the last lines of a log that ends, and why it ends', async () => {
      await using gateway = await startPageGateway();
      const watched = await entered(gateway, wide, '#/servers/files/log');
      const { page } = watched;
      await page.getByText('live', { exact: true }).last().waitFor();
      await eventually(async () => expect(await page.locator('.log-row').count()).toBeGreaterThan(0));
      gateway.write(3);
      gateway.endLogs({ error: { code: 'server-not-found', message: 'files is gone' } });
      await page.getByText('files is gone').waitFor();
      await page.getByText('new line 3').waitFor();
      expectNoProblems(watched);
    });

    test('offers nothing to who may only look', async () => {
      await using gateway = await startPageGateway('look');
      const watched = await entered(gateway, wide, '#/servers/files/tools');
      const { page } = watched;
      await page.getByText('your token does not let you call it').waitFor();
      expect(await page.getByRole('button', { name: 'call', exact: true }).isDisabled()).toBe(true);
      expect(await page.getByRole('button', { name: /^(start|stop|restart)$/ }).count()).toBe(0);
      expect(await page.getByRole('tab', { name: 'audit' }).count()).toBe(0);
      await to(page, '#/project/plan');
      await page.getByText('nothing is carried out by itself').waitFor();
      expect(await page.getByRole('button', { name: 'carry out this plan' }).count()).toBe(0);
      expectNoProblems(watched);
    });

    test('shows what servers write as text, whatever it is', async () => {
      await using gateway = await startPageGateway();
      const watched = await entered(gateway, wide, '#/servers/scraper');
      const { page } = watched;
      for (const tab of ['overview', 'diff', 'log', 'tools']) {
        await page.getByRole('tab', { name: tab }).click();
        await page.getByText('{{7*7}}').first().waitFor();
      }
      await page.getByRole('button', { name: 'hostile_tool' }).click();
      await page.getByLabel(/onerror/).waitFor();
      expect(await page.locator('img').count()).toBe(0);
      expect(await page.title()).toBe('scraper · team-a · looms');
      expect(await page.evaluate(() => document.body.textContent?.includes('\u202e'))).toBe(false);
      expect(hostile).toContain('\u202e');
      expectNoProblems(watched);
    });

    test('follows what is told, goes on from the last event after a break, and filters the log where it is kept', async () => {
      await using gateway = await startPageGateway();
      const watched = await entered(gateway, wide, '#/servers/files');
      const { page } = watched;
      const state = pageState();
      gateway.tell({
        event: 'state',
        data: {
          ...state,
          servers: state.servers.map((one) =>
            one.name === 'git' ? { ...one, health: { ...one.health, state: 'down' } } : one,
          ),
        },
      });
      await listed(page, 'git').getByText('down').waitFor();
      const alert = { type: 'alert', rule: 'memory > 90%', state: 'resolved', value: '93 %', why: 'stopped' } as const;
      gateway.tell({
        event: 'event',
        data: {
          id: '01K9ZZZZZZZZZZZZZZZZZZZZZZ',
          ts: new Date().toISOString(),
          source: 'looms',
          project: asProjectName('team-a'),
          server: asServerName('files'),
          ...alert,
        },
      });
      await page.getByRole('tab', { name: 'events' }).click();
      await page.getByText('memory > 90%: 93 % (it was stopped)').waitFor();
      await page.getByRole('tab', { name: 'overview' }).click();
      await page.getByRole('img', { name: /^memory over the last hour: least/ }).waitFor();

      await page.getByRole('tab', { name: 'log' }).click();
      await page.getByText('request 59 took').waitFor();
      gateway.write(2_100);
      await page.getByText('new line 2100', { exact: true }).waitFor();
      await eventually(async () => expect(await page.locator('.log-row').count()).toBe(2_000));
      await page.getByText('the last 2000 lines').waitFor();
      // The end is in sight, until somebody scrolls away from it.
      await page.getByRole('log').evaluate((log) => log.scrollTo(0, 0));
      await page.getByRole('button', { name: 'to the end' }).click();
      await page.getByText('new line 2100', { exact: true }).waitFor();
      await page.getByLabel('filter lines by a regular expression').fill('^\\S+WARN');
      await page.getByText('new line 2100', { exact: true }).waitFor({ state: 'detached' });
      await page.getByText('slow answer').first().waitFor();
      expect(await page.locator('.log-row .ansi-yellow').first().textContent()).toBe('WARN');
      const last = gateway.asked.findLast(({ path }) => path.startsWith('/page/log'));
      expect(new URL(last?.path ?? '', gateway.url).searchParams.get('grep')).toBe('^\\S+WARN');

      const opened = gateway.logsOpened();
      const rows = await page.locator('.log-row').count();
      gateway.cut();
      // A log has no ids: it is told anew, and takes the place of what was there.
      await eventually(() => expect(gateway.logsOpened()).toBeGreaterThan(opened));
      await eventually(() => expect(gateway.resumed).toHaveLength(1));
      expect(Number(gateway.resumed[0])).toBeGreaterThan(0);
      gateway.write(1);
      await eventually(async () => expect(await page.locator('.log-row').count()).toBe(rows + 1));
      expectNoProblems(watched);
    });

    test('rests while nobody looks for longer than a minute, and goes on where it was', async () => {
      await using gateway = await startPageGateway();
      const watched = await watchedPage(browser, gateway.url, wide);
      const { page } = watched;
      await page.clock.install();
      await page.goto(`${gateway.url}#c=${code}`);
      await page.getByRole('banner').waitFor();
      const hide = (isHidden: boolean): Promise<void> =>
        page.evaluate((hidden) => {
          Object.defineProperty(document, 'hidden', { get: () => hidden, configurable: true });
          document.dispatchEvent(new Event('visibilitychange'));
        }, isHidden);
      await hide(true);
      await page.clock.fastForward(50_000);
      await hide(false);
      await page.clock.fastForward(50_000);
      expect(gateway.looking()).toBe(1);
      await hide(true);
      await page.clock.fastForward(61_000);
      await eventually(() => expect(gateway.looking()).toBe(0));
      expect(gateway.resumed).toEqual([]);
      await hide(false);
      await eventually(() => expect(gateway.looking()).toBe(1));
      expect(gateway.resumed).toHaveLength(1);
      await page.getByText('live', { exact: false }).first().waitFor();
      expectNoProblems(watched);
    });
  },
);
