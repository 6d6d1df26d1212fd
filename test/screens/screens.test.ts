/**
 * The screens end to end, in a real Chromium over a real server, store, runs and models: a run is started from its form,
 * watched, stopped, resumed, read, branched, labelled, compared and reported; a model is looked into and steered.
 * Everywhere: hostile text stays text, no other host is asked, and axe finds nothing serious.
 */
import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { screensFolder } from '../../src/cli/screens-folder.ts';
import { functionModel } from '../../src/models/index.ts';
import { type ModelServer, serveModels } from '../../src/server/index.ts';
import { writeChainModel } from '../small-model.ts';
import { chromiumPath, openBrowser, openPage, seriousFaults, type Watched, whyNoBrowser } from './browser.ts';
import { demoRun, eventually, openRig, type Rig } from './rig.ts';

if (chromiumPath === undefined) console.warn(whyNoBrowser);

/** Everything that would show if it were taken for markup: as a tag, an attribute, a style, a link, a reversed line. */
const hostile = [
  '<script>document.title = "owned"</script>',
  '<img src="http://192.0.2.1/x.png" onerror="document.title = \'owned\'">',
  '<a href="javascript:document.title = \'owned\'">click</a>',
  '<style>body { display: none }</style>',
  '<iframe src="http://192.0.2.1/"></iframe>',
  '{{constructor.constructor("document.title = 1")()}}',
  '\u202Eesrever \u200Bhidden',
].join('\n');

describe.skipIf(chromiumPath === undefined)('the screens', { timeout: 300_000 }, () => {
  let rig: Rig;
  let browser: Browser;
  let watched: Watched;
  let page: Page;
  let folder: string;
  let endpoint: ModelServer;
  let pictures: string;
  /** How many asks the slow model answers before it waits; raised by the test, so that nothing depends on time. */
  const gate = { open: 0, asked: 0, waiting: [] as (() => void)[] };
  const allow = (more: number): void => {
    gate.open += more;
    for (const go of gate.waiting.splice(0)) go();
  };

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'fiducial-e2e-'));
    pictures = process.env['FIDUCIAL_PICTURES'] ?? join(folder, 'pictures');
    await mkdir(pictures, { recursive: true });
    await writeChainModel(join(folder, 'chain'), [
      ['a', 'b', 'c', 'a'],
      ['x', 'y', 'z', 'x'],
    ]);
    const slow = functionModel('slow', async ({ messages }) => {
      const turn = ++gate.asked;
      while (turn > gate.open) await new Promise<void>((resolve) => gate.waiting.push(resolve));
      return `${hostile}\n${messages.at(-1)?.content.includes('7') === true ? 'CANARY' : 'no'} ${turn}`;
    });
    endpoint = await serveModels({ slow }, { port: 0 });
    rig = await openRig({
      screens: await screensFolder(console.warn),
      config: { concurrency: 2, models: { slow: `openai-compatible:${endpoint.url}#slow` } },
    });
    browser = await openBrowser();
    watched = await openPage(browser, rig.server.link);
    ({ page } = watched);
    page.setDefaultTimeout(60_000);
  });
  afterAll(async () => {
    await browser?.close();
    await rig?.close();
    allow(1e9);
    await endpoint?.close(0);
    await rm(folder, { recursive: true });
  });

  /** Where a screen was left: its picture, and what is wrong with it. */
  const checked = async (name: string): Promise<void> => {
    await page.screenshot({ path: join(pictures, `${name}.png`) });
    expect(await seriousFaults(page)).toEqual([]);
    expect(watched.complaints).toEqual([]);
    expect(await page.title()).not.toContain('owned');
  };

  it('start a run from its form, show it live, stop it, and resume it to its end', async () => {
    await page.click('text=Start a run');
    await page.selectOption('select:has(option[value="redteam/best-of-n"])', 'redteam/best-of-n');
    await page.click('text=My own');
    await page.fill('[name="role target"]', 'slow');
    const rows = Array.from({ length: 30 }, (_, i) =>
      JSON.stringify({ id: `r${i}`, request: `Say ${i}`, cluster: `c${i % 3}` }),
    );
    await page.fill('[name="rows requests"]', rows.join('\n'));
    await page.fill('[name="param attempts"]', '3');
    await page.fill('[name="param sigma"]', '0');
    await page.fill('[name="param verdict"]', 'contains:CANARY');
    await page.uncheck('[name="param baseline"]');
    await checked('start');
    allow(12);
    await page.click('button:text-is("Start")');
    await page.waitForURL(/\/runs\/[0-9a-f]+/);
    const id = /\/runs\/([0-9a-f]+)/.exec(page.url())![1]!;
    const measuredOf = async (): Promise<number> =>
      Number(await page.locator('.facts div', { hasText: 'Measured' }).locator('dd').innerText());
    // Seen to move without a reload.
    const early = await eventually(async () => ((await measuredOf()) > 0 ? await measuredOf() : undefined), 'a trial');
    allow(12);
    await eventually(async () => ((await measuredOf()) > early ? true : undefined), 'another trial');
    await checked('running');
    await page.click('button:text-is("Stop")');
    await page.waitForSelector('.badge:text-is("stopped")');
    const stopped = await (await rig.store.run(id)).info();
    expect(stopped.reason).toBe('stopped by me');
    expect(stopped.trials.measured).toBeLessThan(30);
    allow(1e9);
    await page.click('button:text-is("Resume")');
    await page.waitForSelector('.badge:text-is("done")');
    await page.waitForSelector('text=attack success');
    const { trials } = await (await rig.store.run(id)).info();
    expect(trials).toEqual({ measured: 30, undetermined: 0, error: 0 });
    await checked('done');
  });

  it('show a hostile transcript as text, branch it at a turn, and go on by hand', async () => {
    await page.click('.tabs button:has-text("Trials")');
    await page.waitForSelector('.row');
    await page.focus('.rows');
    await page.keyboard.press('ArrowDown');
    await page.waitForSelector('.turn.is-assistant');
    const shown = await page.locator('.turn.is-assistant .quoted').innerText();
    for (const line of hostile.split('\n').slice(0, 6)) expect(shown).toContain(line);
    expect(shown).toContain('U+202E');
    expect(await page.locator('.turn img, .turn iframe, .turn script, .turn a, .turn style').count()).toBe(0);
    await checked('hostile');
    await page.click('.turn.is-assistant button:text-is("Branch here")');
    await page.waitForURL(/playground/);
    expect(await page.inputValue('[list="talking-models"]')).toBe('slow');
    await page.fill('.ask textarea', 'Say 7');
    await page.keyboard.press('Control+Enter');
    await page.waitForSelector('.turn.is-assistant:last-child :text("CANARY")');
    await page.click('text=New conversation');
    await page.click('text=Side by side');
    await page.locator('input[placeholder="canary, grimroot"]').nth(1).fill('canary');
    await page.fill('.ask textarea', 'Once more: 7');
    await page.click('button:text-is("Send")');
    // The one with the guard is halted before the word, and says so.
    await page.locator('section.card').nth(1).locator('.badge:text-is("blocked")').first().waitFor();
    const guarded = await page.locator('section.card').nth(1).locator('.turn').last().innerText();
    expect(guarded).toContain('keyword "canary" in the reply');
    expect(guarded.split('keyword')[0]).not.toContain('CANARY');
    await checked('playground');
  });

  it('label a trial by a key, and show how far judge and people agree', async () => {
    const { items } = await rig.store.runs({ method: 'redteam/best-of-n', limit: 1 });
    const { id } = items[0]!;
    await page.goto(`${rig.server.url}/runs/${id}?tab=trials&outcome=safe`);
    await page.waitForSelector('.row');
    await page.click('.row >> nth=0');
    await page.waitForSelector('.label-line');
    await page.keyboard.press('b');
    await page.waitForSelector('text=agree on 0 of 1');
    await page.click('.row >> nth=1');
    await page.waitForSelector('button[aria-pressed="false"]:text-is("Safe")');
    await page.keyboard.press('s');
    await page.waitForSelector('text=agree on 1 of 2');
    const labels = await (await rig.store.run(id)).labels();
    expect(labels.map(({ value, labeller }) => [value, labeller])).toEqual([
      [1, 'me'],
      [0, 'me'],
    ]);
    await page.goto(`${rig.server.url}/labels/${id}`);
    await page.waitForSelector('text=People: breach');
    await checked('labels');
  });

  it('compare two runs, and export a report', async () => {
    const [first, second] = [await demoRun(rig.store, 1), await demoRun(rig.store, 2)];
    await page.goto(`${rig.server.url}/runs`);
    for (const { id } of [first, second]) await page.check(`[aria-label="Compare run ${id}"]`);
    await page.click('button:has-text("Compare")');
    await page.waitForSelector('text=pairs');
    await checked('compare');
    await page.goto(`${rig.server.url}/runs/${first.id}?tab=report`);
    const frame = page.frameLocator('iframe.report');
    await frame.locator('h1').waitFor();
    expect(await frame.locator('main').innerText()).toContain('attack success');
    const [download] = await Promise.all([page.waitForEvent('download'), page.click('a.button:text-is("HTML")')]);
    const path = join(folder, 'report.html');
    await download.saveAs(path);
    const text = await readFile(path, 'utf8');
    expect(text).toContain('attack success');
    expect(text).not.toContain('<script');
    await page.screenshot({ path: join(pictures, 'report.png') });
    expect(watched.complaints).toEqual([]);
  });

  it('look inside an open model, and steer it', async () => {
    await page.goto(`${rig.server.url}/inside`);
    await page.fill('input[aria-label="Model"]', join(folder, 'chain'));
    await page.click('button:text-is("Open")');
    await page.waitForSelector('text=1 block of 1 head,');
    await page.fill('textarea', 'abc');
    await page.click('button:text-is("Look")');
    await page.waitForSelector('.token');
    expect(await page.locator('.token .quoted').allInnerTexts()).toEqual(['a', 'b', 'c']);
    await checked('heat');
    await page.click('.tabs button:text-is("Attention")');
    await page.fill('textarea', 'abc');
    await page.click('button:text-is("Look")');
    await page.waitForSelector('.attention');
    await checked('attention');
    await page.click('.tabs button:text-is("Logit lens")');
    await page.fill('textarea', 'ab');
    await page.click('button:text-is("Look")');
    await page.waitForSelector('.matrix');
    expect(await page.locator('.matrix tbody .quoted').allInnerTexts()).toEqual(['b', 'c']);
    await page.click('.tabs button:text-is("Steering")');
    const [towards, away, prompt] = await page.locator('textarea').all();
    await towards!.fill('x');
    await away!.fill('b');
    await prompt!.fill('ab');
    await page.click('button:text-is("Go on")');
    await page.waitForSelector('.steered:has-text("cabc")');
    // The slider, by the keyboard: ten steps of a half.
    await page.focus('input[type="range"]');
    await page.locator('input[type="range"]').fill('5');
    await page.keyboard.press('ArrowRight');
    await page.waitForSelector('.steered:has-text("yyyy")');
    await checked('steering');
  });

  it('show what is known of each instrument, in the dark and on a phone', async () => {
    const phone = await openPage(browser, rig.server.link, {
      viewport: { width: 390, height: 800 },
      colorScheme: 'dark',
    });
    try {
      for (const path of [
        '/evidence',
        '/runs',
        '/start?method=redteam/best-of-n',
        '/labels',
        '/playground',
        '/inside',
      ]) {
        await phone.page.goto(`${rig.server.url}${path}`);
        await phone.page.waitForSelector('h1');
        await phone.page.waitForLoadState('networkidle');
        expect(await seriousFaults(phone.page)).toEqual([]);
        // Nothing is wider than the screen; what is wide scrolls in itself.
        expect(await phone.page.evaluate('document.documentElement.scrollWidth')).toBeLessThanOrEqual(390);
        await phone.page.screenshot({
          path: join(pictures, `phone${path.replaceAll(/[^a-z]+/g, '-')}.png`),
          fullPage: true,
        });
      }
      expect(phone.complaints).toEqual([]);
    } finally {
      await phone.context.close();
    }
  });

  it('say so where they cannot be: out of a session, at an address that is none, at a server that refuses', async () => {
    await page.goto(`${rig.server.url}/nowhere`);
    await page.waitForSelector('text=Nothing is at this address');
    await page.goto(`${rig.server.url}/runs/ffff`);
    await page.waitForSelector('[role="alert"]');
    await page.click('button:text-is("Log out")');
    await page.waitForURL(/login/);
    await page.goto(`${rig.server.url}/runs`);
    await page.waitForSelector('input[name="token"]');
    expect(await seriousFaults(page)).toEqual([]);
    await page.fill('input[name="token"]', rig.server.token!);
    await page.click('button');
    await page.waitForSelector('h1:text-is("Runs")');
  });
});
