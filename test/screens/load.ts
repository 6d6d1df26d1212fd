/**
 * `npm run load`: what the server bears, printed. Part `live`: 200 people watch a run that writes 1,000 trials a second,
 * 20 more who never read and 20 who vanish; counted is what each was told, and the server's memory at its highest. Part
 * `paint`: how long until 10,000 runs, and a run of 100,000 trials, are on the screen.
 *
 *   npm run load                    both
 *   npm run load -- live 50 500 10  50 watchers, 500 trials a second, 10 seconds
 *   npm run load -- paint
 */
import { fork, spawn } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { openStore, type Store } from '../../src/store/index.ts';
import { chromiumPath, openBrowser, openPage, whyNoBrowser } from './browser.ts';

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

/** The command line's own server, in a process of its own. */
async function serve(address: string): Promise<{ link: string; url: string; pid: number; end: () => Promise<void> }> {
  const child = spawn(
    process.execPath,
    [here('../../bin/fiducial.mjs'), 'serve', '--port', '0', '--json', '--store', address],
    {
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  );
  const line = await new Promise<string>((resolve, reject) => {
    child.stdout.once('data', (data: Buffer) => resolve(data.toString()));
    child.once('exit', (code) => reject(new Error(`the server ended with code ${code}`)));
  });
  const { link, url } = JSON.parse(line) as { link: string; url: string };
  const end = (): Promise<void> =>
    new Promise((resolve) => {
      child.once('exit', () => resolve());
      child.kill('SIGINT');
    });
  return { link, url, pid: child.pid!, end };
}

/** Highest resident memory of a process so far, MiB. */
async function peakMiB(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  return Number(/VmHWM:\s+(\d+) kB/.exec(status)?.[1]) / 1024;
}

async function live(store: Store, address: string, viewers: number, perSecond: number, seconds: number): Promise<void> {
  const { run } = await store.open({ method: 'load/live', params: {}, models: {}, seed: 1, hashes: { code: 'none' } });
  await run.setStatus('running');
  const server = await serve(address);
  const atRest = await peakMiB(server.pid);
  const total = perSecond * seconds;
  const token = new URL(server.link).searchParams.get('token')!;
  const watchers = fork(here('./load-viewers.ts'), [server.url, token, run.id, String(viewers), String(total)], {
    execArgv: ['--import', 'tsx'],
  });
  let watching = 0;
  let counts: number[] = [];
  let disordered = 0;
  await new Promise<void>((resolve, reject) => {
    watchers.once('exit', (code) => reject(new Error(`the watchers ended with code ${code}`)));
    watchers.on('message', (message) => {
      if (message === 'watching' && ++watching === viewers) resolve();
    });
  });
  const done = new Promise<void>((resolve) => {
    watchers.on('message', (message) => {
      if (typeof message === 'object') ({ counts, disordered } = message as { counts: number[]; disordered: number });
    });
    watchers.removeAllListeners('exit');
    watchers.once('exit', () => resolve());
  });
  const began = performance.now();
  const batch = Math.max(1, Math.round(perSecond / 20));
  for (let written = 0; written < total;) {
    const until = Math.min(total, written + batch);
    await Promise.all(
      Array.from({ length: until - written }, (_, i) =>
        run.recordTrial('s', { item: `i${written + i}`, status: 'measured', value: i % 2, why: 'as it was asked' }),
      ),
    );
    written = until;
    const early = began + (1000 * written) / perSecond - performance.now();
    if (early > 0) await new Promise((resolve) => setTimeout(resolve, early));
  }
  const wroteMs = performance.now() - began;
  await done;
  const behindMs = performance.now() - began - wroteMs;
  const peak = await peakMiB(server.pid);
  await server.end();
  const lost = counts.reduce((sum, count) => sum + (total - count), 0);
  console.log(
    `live: ${counts.length} watchers, ${total} trials at ${((1000 * total) / wroteMs).toFixed(0)} a second; ` +
      `each was told ${Math.min(...counts)} to ${Math.max(...counts)}, ${lost} lost, ${disordered} out of order; ` +
      `the last heard the last ${(behindMs / 1000).toFixed(1)} s after it was written; ` +
      `server ${atRest.toFixed(0)} MiB at rest, ${peak.toFixed(0)} MiB at its highest`,
  );
  if (lost > 0 || disordered > 0 || counts.length < viewers) process.exitCode = 1;
}

async function paint(store: Store, address: string): Promise<void> {
  if (chromiumPath === undefined) {
    console.error(whyNoBrowser);
    return;
  }
  const spec = { params: {}, models: { target: 'some model' }, hashes: { code: 'none' } };
  for (let i = 0; i < 10_000; i += 500) {
    await Promise.all(
      Array.from({ length: 500 }, (_, k) => store.open({ ...spec, method: `load/m${k % 7}`, seed: i + k })),
    );
  }
  const { run } = await store.open({ ...spec, method: 'load/trials', seed: 'many' });
  for (let i = 0; i < 100_000; i += 1_000) {
    await Promise.all(
      Array.from({ length: 1_000 }, (_, k) =>
        run.recordTrial('s', { item: `i${i + k}`, status: 'measured', value: k % 2, why: 'as it was asked' }),
      ),
    );
  }
  const server = await serve(address);
  const browser = await openBrowser();
  try {
    const { page } = await openPage(browser, server.link);
    await page.waitForSelector('tbody tr');
    // A page of the application that is already in the browser's cache, as on every visit but the first.
    const timed = async (path: string, selector: string): Promise<number> => {
      await page.goto(`${server.url}${path}`);
      await page.waitForSelector(selector);
      return (await page.evaluate('performance.now()')) as number;
    };
    const figures: Record<string, number[]> = {};
    for (let round = 0; round < 5; round++) {
      (figures['list of 10,001 runs'] ??= []).push(await timed('/runs', 'tbody tr'));
      (figures['run of 100,000 trials'] ??= []).push(await timed(`/runs/${run.id}?tab=trials`, '.row-item'));
      const began = performance.now();
      await page.locator('.rows').evaluate((element) => {
        element.scrollTop = element.scrollHeight / 2;
      });
      await page.waitForSelector('.row-item:text-matches("^i4999|^i5000")');
      (figures['jump to the 50,000th trial'] ??= []).push(performance.now() - began);
    }
    for (const [what, ms] of Object.entries(figures)) {
      const sorted = [...ms].sort((a, b) => a - b);
      console.log(
        `paint: ${what}: ${sorted[2]!.toFixed(0)} ms (${sorted[0]!.toFixed(0)} to ${sorted[4]!.toFixed(0)}, 5 rounds)`,
      );
    }
  } finally {
    await browser.close();
    await server.end();
  }
}

const [part, ...numbers] = process.argv.slice(2);
const [viewers = 200, perSecond = 1_000, seconds = 30] = numbers.map(Number);
console.log(`${cpus().length} cores, Node ${process.versions.node}`);
for (const [name, body] of Object.entries({
  live: (store: Store, address: string) => live(store, address, viewers, perSecond, seconds),
  paint,
})) {
  if (part !== undefined && part !== name) continue;
  const folder = await mkdtemp(join(tmpdir(), 'fiducial-load-'));
  const store = await openStore({ address: folder });
  try {
    await body(store, folder);
  } finally {
    await store.close();
    await rm(folder, { recursive: true });
  }
}
