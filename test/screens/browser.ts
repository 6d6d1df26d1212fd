/**
 * A real Chromium over a real server: the system's own, found where packages put it. Without one the tests that need
 * it say so and are skipped.
 */
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { type Browser, type BrowserContext, chromium, type Page } from 'playwright-core';

const places = [
  process.env['FIDUCIAL_CHROMIUM'],
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome',
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
];

/** Chromium's path, or undefined where there is none. */
export const chromiumPath = places.find((path) => path !== undefined && existsSync(path));

export const whyNoBrowser =
  'no Chromium here: apt-get install chromium, or set FIDUCIAL_CHROMIUM to one. The screens were not tested.';

export async function openBrowser(): Promise<Browser> {
  return await chromium.launch({
    executablePath: chromiumPath!,
    // A container's root has no sandbox; the pages are this repository's own.
    args: ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage'],
  });
}

export interface Watched {
  readonly context: BrowserContext;
  readonly page: Page;
  /** Hosts asked that are not the server, errors of pages, and words of the console that are complaints. */
  readonly complaints: string[];
}

/** A page that has logged in, watched for what it must not do. */
export async function openPage(
  browser: Browser,
  link: string,
  options: Parameters<Browser['newContext']>[0] = {},
): Promise<Watched> {
  const context = await browser.newContext({ viewport: { width: 1280, height: 860 }, ...options });
  const page = await context.newPage();
  const complaints: string[] = [];
  const own = new URL(link).host;
  page.on('request', (request) => {
    const { host, protocol } = new URL(request.url());
    if (/^https?:|^ws/.test(protocol) && host !== own) complaints.push(`asked ${host}`);
  });
  page.on('pageerror', (error) => complaints.push(`page error: ${error.message}`));
  page.on('console', (message) => {
    if (message.type() === 'error' && !/status of 4\d\d/.test(message.text())) complaints.push(message.text());
  });
  page.on('dialog', (dialog) => {
    complaints.push(`dialog: ${dialog.message()}`);
    void dialog.dismiss();
  });
  await page.goto(link);
  return { context, page, complaints };
}

const axePath = createRequire(import.meta.url).resolve('axe-core/axe.min.js');

/** What axe finds serious or critical on the page, as lines. */
export async function seriousFaults(page: Page): Promise<string[]> {
  // Through the debugger, because the page's own policy runs nothing that the server did not send.
  await page.evaluate(await readFile(axePath, 'utf8'));
  return await page.evaluate(async () => {
    const { axe } = globalThis as unknown as {
      axe: {
        run(): Promise<{
          violations: { id: string; impact: string; nodes: { html: string; failureSummary: string }[] }[];
        }>;
      };
    };
    const { violations } = await axe.run();
    return violations
      .filter(({ impact }) => impact === 'serious' || impact === 'critical')
      .map(
        ({ id, nodes }) =>
          `${id}: ${nodes.map(({ html, failureSummary }) => `${html.slice(0, 160)} (${failureSummary.replaceAll(/\s+/g, ' ').slice(0, 200)})`).join(' | ')}`,
      );
  });
}
