/**
 * Training killed with SIGKILL at a random step and resumed, through the command itself, ends in the same bytes as
 * training that was not.
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { random } from '../../src/core/random.ts';
import { letterModelFolder } from '../../src/kit/training/index.ts';
import { openStore } from '../../src/store/index.ts';

const folder = await letterModelFolder(random('killed training'));
const rows = ['ab', 'ba', 'aa', 'bb', 'abab', 'baba'].map((word, index) => ({
  id: `r${index}`,
  messages: [
    { role: 'user' as const, content: `say ${word}` },
    { role: 'assistant' as const, content: word },
  ],
}));

it('train/supervised killed by SIGKILL at a random step and resumed, ends in the same bytes as a run that was not', async () => {
  const place = mkdtempSync(join(tmpdir(), 'fiducial-train-kill-'));
  try {
    const file = join(place, 'rows.jsonl');
    writeFileSync(file, rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
    const bin = fileURLToPath(new URL('../../bin/fiducial.mjs', import.meta.url));
    const words = (store: string): string[] => [
      bin, 'run', 'train/supervised', '--target', `folder:${folder}`, '--rows', file, '--store', join(place, store),
      '--rank', '0', '--learning-rate', '0.01', '--batch-tokens', '128', '--steps', '30', '--checkpoint-every', '3',
      '--json',
    ]; // prettier-ignore
    const productOf = (text: string): unknown =>
      (JSON.parse(text) as { outcome: { products: object } }).outcome.products;
    const whole = await ended(words('whole'));
    expect(whole.signal).toBe(null);

    // Killed once a drawn number of checkpoints is there, at whatever step that falls.
    const wanted = 1 + random(String(Date.now())).integer(6);
    await (await openStore({ address: join(place, 'killed') })).close(); // so that it can be read from the start
    await ended(words('killed'), async (kill) => {
      for (;;) {
        await new Promise((resolve) => setTimeout(resolve, 100));
        if ((await checkpointStep(join(place, 'killed'))) < 3 * wanted) continue;
        kill();
        return;
      }
    });
    const at = await checkpointStep(join(place, 'killed'));
    expect(at).toBeGreaterThanOrEqual(3 * wanted);
    const resumed = await ended(words('killed'));
    expect(productOf(resumed.text)).toEqual(productOf(whole.text));
  } finally {
    rmSync(place, { recursive: true, force: true });
  }
});

/** Runs the command to its end, or until `until` kills it. */
async function ended(
  args: readonly string[],
  until?: (kill: () => void) => Promise<void>,
): Promise<{ readonly text: string; readonly signal: string | null }> {
  const child = spawn(process.execPath, args, { env: { ...process.env, FIDUCIAL_THREADS: '1' }, stdio: ['ignore', 'pipe', 'pipe'] }); // prettier-ignore
  let [text, errors] = ['', ''];
  child.stdout.on('data', (part: Buffer) => (text += part.toString()));
  child.stderr.on('data', (part: Buffer) => (errors += part.toString()));
  const exit = new Promise<{ code: number | null; signal: string | null }>((resolve) => {
    child.once('exit', (code, signal) => resolve({ code, signal }));
  });
  try {
    if (until !== undefined) await until(() => child.kill('SIGKILL'));
  } catch (error) {
    child.kill('SIGKILL');
    await exit;
    throw error;
  }
  const { code, signal } = await exit;
  if (signal === null && code !== 0) throw new Error(`the command ended with ${code}: ${errors}`);
  return { text, signal };
}

/** The step of the newest checkpoint in a store that another process writes; 0 before there is one. */
async function checkpointStep(address: string): Promise<number> {
  const store = await openStore({ address, readOnly: true });
  try {
    const [info] = (await store.runs()).items;
    if (info === undefined) return 0;
    return (await (await store.run(info.id)).checkpoint('training'))?.step ?? 0;
  } finally {
    await store.close();
  }
}
