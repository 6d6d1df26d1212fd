import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { testRunner } from '../../test/runner.ts';
import { random } from '../core/random.ts';
import { keepManifest, keepTrained } from '../kit/products/index.ts';
import { letterModelFolder, rowText, shuffledSource, trainSupervised } from '../kit/training/index.ts';
import { openModel as openHere, type OpenModel } from '../models/open/index.ts';
import { collect } from '../models/reply.ts';
import { openModel } from './open-models.ts';
import { addProductKind, saveProduct } from './products.ts';

const runner = testRunner();
const folder = await letterModelFolder(random(1));
const row = { id: 'a', messages: [{ role: 'user' as const, content: 'hi' }, { role: 'assistant' as const, content: 'yo' }] }; // prettier-ignore
const places: string[] = [];
const place = (): string => {
  const made = mkdtempSync(join(tmpdir(), 'fiducial-products-test-'));
  places.push(made);
  return made;
};
afterAll(() => places.forEach((each) => rmSync(each, { recursive: true, force: true })));

const keep = (_: string, bytes: Uint8Array | string, type: string) =>
  runner.store.artefacts.put(typeof bytes === 'string' ? new TextEncoder().encode(bytes) : bytes, type);
const address = (ref: string): string => `artefact:${ref.slice('sha256:'.length)}`;
const says = async (model: Parameters<typeof collect>[0]): Promise<string> =>
  (await collect(model, { messages: [{ role: 'user', content: 'hi' }], temperature: 0, maxTokens: 4 })).text;

async function trainOn(from: OpenModel, reply: string, isLowRank: boolean, learningRate = 1e-2) {
  const messages = [row.messages[0]!, { role: 'assistant' as const, content: reply }];
  const text = rowText(from.tokenizer, { id: 'a', messages });
  return await trainSupervised(from.network, shuffledSource([text], random(1)), {
    random: random(2),
    steps: 40,
    learningRate,
    ...(isLowRank ? { lora: { rank: 4, alpha: 8 } } : {}),
  });
}

describe('a trained model as a product', () => {
  it('opens as a checkpoint, an adapter over it, and an adapter over both, with or without a worker', async () => {
    const start = await openHere(folder);
    const whole = await keepTrained(keep, 'whole', start, await trainOn(start, 'yo', false));
    const options = { store: runner.store };
    const first = (await openModel(address(whole), options, 'weights')) as OpenModel;
    expect(first.id).toBe(`artefact:${whole.slice(7, 19)}`);
    expect(await says(first)).toBe('yo');

    const adapter = await keepTrained(keep, 'adapter', first, await trainOn(first, 'oy', true, 2e-2));
    const second = (await openModel(address(adapter), options, 'weights')) as OpenModel;
    expect(await says(second)).toBe('oy');
    expect(await says(first)).toBe('yo');

    const stacked = await keepTrained(keep, 'stacked', second, await trainOn(second, 'yy', true, 2e-2));
    const inWorker = await openModel(stacked, options);
    expect('network' in inWorker).toBe(false);
    expect(await says(inWorker)).toBe('yy');
    // The same identity in a worker and here.
    const here = await openModel(address(stacked), options, 'weights');
    expect('weightsHash' in inWorker && inWorker.weightsHash).toBe(stacked);
    expect('weightsHash' in here && here.weightsHash).toBe(stacked);
    expect(here.id).toBe(inWorker.id);
    await (inWorker as OpenModel).close();
  });

  it('is written as a folder that opens like any other, into no folder that holds something', async () => {
    const start = await openHere(folder);
    const ref = await keepTrained(keep, 'saved', start, await trainOn(start, 'yo', false));
    const target = join(place(), 'tuned');
    const manifest = await saveProduct(ref.slice(7), target, runner.store);
    expect(manifest.kind).toBe('checkpoint');
    expect(readdirSync(target).sort()).toEqual([
      'config.json',
      'model.safetensors',
      'tokenizer.json',
      'tokenizer_config.json',
    ]);
    expect(await says(await openHere(target))).toBe('yo');
    await expect(saveProduct(ref.slice(7), target, runner.store)).rejects.toMatchObject({ code: 'product.exists' });
  });

  it('refuses a base by address whose weights have changed', async () => {
    const base = place();
    const files = readdirSync(folder);
    const { copyFile } = await import('node:fs/promises');
    for (const file of files) await copyFile(join(folder, file), join(base, file));
    const model = await openHere(base);
    const trained = await trainOn(model, 'yo', true);
    const kept = await keepTrained(keep, 'on an address', model, trained);
    const manifest = JSON.parse(new TextDecoder().decode(await runner.store.artefacts.get(kept)));
    const byAddress = await keepManifest(keep, 'by address', {
      kind: 'adapter',
      base: { address: `folder:${base}`, hash: model.weightsHash! },
      files: manifest.files,
    });
    const opened = await openModel(address(byAddress), { store: runner.store }, 'weights');
    expect('network' in opened).toBe(true);
    writeFileSync(join(base, 'generation_config.json'), '{"do_sample": true}');
    await expect(openModel(address(byAddress), { store: runner.store })).rejects.toMatchObject({
      code: 'product.base-changed',
    });
  });

  it('says what is wrong with an address, with what is there, and with a kind that nobody opens', async () => {
    const options = { store: runner.store };
    await expect(openModel('artefact:12', options)).rejects.toMatchObject({ code: 'product.bad-address' });
    await expect(openModel(`artefact:${'0'.repeat(64)}`, options)).rejects.toMatchObject({ code: 'store.missing' });
    const text = await keep('', '{"some": "json"}', 'application/json');
    await expect(openModel(address(text), options)).rejects.toMatchObject({ code: 'product.not-one' });
    const escape = await keep(
      '',
      JSON.stringify({ fiducial: 'product-1', kind: 'checkpoint', files: { '../x': text } }),
      'application/json',
    );
    await expect(openModel(address(escape), options)).rejects.toMatchObject({ code: 'product.not-one' });
    const odd = await keepManifest(keep, 'odd', { kind: 'spell', files: {} });
    await expect(openModel(address(odd), options)).rejects.toMatchObject({ code: 'product.unknown-kind' });
    addProductKind('spell', async () => await openHere(folder));
    expect(await openModel(address(odd), options)).toHaveProperty('network');
    expect(() => addProductKind('spell', () => openHere(folder))).toThrow(
      expect.objectContaining({ code: 'product.kind-taken' }),
    );
  });
});

describe('a role that needs weights', () => {
  it('gets its model in this process, and a chat role in a worker, under one identity', async () => {
    const [here, away] = [await openModel(folder, {}, 'weights'), await openModel(folder)];
    expect(['network' in here, 'network' in away]).toEqual([true, false]);
    expect(here.id).toBe(away.id);
    const hash = (model: object): unknown => ('weightsHash' in model ? model.weightsHash : undefined);
    expect(hash(here)).toMatch(/^sha256:/);
    expect(hash(here)).toBe(hash(away));
    await (away as OpenModel).close();
  });
});
