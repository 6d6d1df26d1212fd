/**
 * Supervised training in its runner: it learns what is asked and tells it from a sham, a run killed at any step ends in
 * the very bytes of one that was not, and what it reports is the loss that the product has.
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { testRunner } from '../../../test/runner.ts';
import { random } from '../../core/random.ts';
import { letterModelFolder, lossesOf, rowText } from '../../kit/training/index.ts';
import { openModel, type OpenModel } from '../../models/open/index.ts';
import { openStore } from '../../store/index.ts';
import { openModel as openAddress } from '../../workbench/open-models.ts';
import { dataOf } from '../method.ts';
import { supervised } from './supervised.ts';

const runner = testRunner();
const folder = await letterModelFolder(random('supervised method'));
const target = () => openModel(folder, { id: 'letters' });
const rows = ['ab', 'ba', 'aa', 'bb', 'abab', 'baba'].map((word, index) => ({
  id: `r${index}`,
  messages: [
    { role: 'user' as const, content: `say ${word}` },
    { role: 'assistant' as const, content: word },
  ],
}));
const params = { rank: 0, learningRate: 1e-2, batchTokens: 128, steps: 30, checkpointEvery: 5, patience: 100 };

describe('train/supervised', () => {
  it('reports the loss that the product has on rows held out, and holds them out', async () => {
    const heldOut = rows.slice(0, 2);
    const outcome = await runner.outcome(
      supervised,
      { ...params, steps: 10 },
      {
        target: await target(),
        rows: dataOf('rows', rows), // the held-out ones are among them
        heldOut: dataOf('held out', heldOut),
      },
    );
    const address = `artefact:${outcome.products!['model']!.slice('sha256:'.length)}`;
    const model = (await openAddress(address, { store: runner.store }, 'weights')) as OpenModel;
    const texts = heldOut.map((row) => rowText(model.tokenizer, row));
    const [before, after] = [await lossesOf((await target()).network, texts), await lossesOf(model.network, texts)];
    const mean = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0) / values.length;
    const named = (name: string) => outcome.measures.find((measure) => measure.name === name)!;
    // Weights are kept in half precision.
    expect(named('held-out loss after training').value).toBeCloseTo(mean(after), 2);
    expect(named('held-out loss before training').value).toBeCloseTo(mean(before), 5);
    expect(outcome.summary![0]).toContain('10 steps on 4 rows');
  });

  it('killed by SIGKILL at a random step and resumed, ends in the same bytes as a run that was not', async () => {
    const place = mkdtempSync(join(tmpdir(), 'fiducial-train-kill-'));
    try {
      const file = join(place, 'rows.jsonl');
      writeFileSync(file, rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
      const bin = fileURLToPath(new URL('../../../bin/fiducial.mjs', import.meta.url));
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

  it('names the row that cannot be learned from', async () => {
    const mute = [...rows, { id: 'mute', messages: [{ role: 'user' as const, content: 'hm' }] }];
    await expect(
      runner.run(supervised, params, { target: await target(), rows: dataOf('rows', mute), heldOut: undefined }),
    ).rejects.toMatchObject({ code: 'train.no-turn', message: expect.stringContaining('row mute') });
  });
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
