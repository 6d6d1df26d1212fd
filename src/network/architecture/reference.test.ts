/**
 * Every architecture and rope against an independent implementation in torch (reference/make_fixtures.py), and faults
 * planted in a configuration that the known answers have to notice.
 */
import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { checkNetwork, expectedFile } from '../check.ts';
import { Network } from '../network.ts';
import { compareWithExpected, FIXTURES, openFixture } from './fixture.ts';

const folderOf = (name: string): string => fileURLToPath(new URL(`../fixtures/${name}`, import.meta.url));

describe('known answers of torch', () => {
  it('are all held against', () => {
    expect(readdirSync(folderOf('')).sort()).toEqual([...FIXTURES].sort());
  });

  it.each(FIXTURES)('%s: logits, streams, patterns, loss and every gradient', async (name) => {
    const errors = await compareWithExpected(await openFixture(name));
    if (process.env['PRINT_ERRORS']) console.log(name, JSON.stringify(errors));
    expect(errors.logits).toBeLessThan(1e-4);
    expect(errors.hidden).toBeLessThan(1e-4);
    expect(errors.attention).toBeLessThan(1e-4);
    expect(errors.loss).toBeLessThan(1e-4);
    expect(errors.gradient).toBeLessThan(1e-3);
  });

  // Past max_position_embeddings, past the first context of longrope, in half precision: as a user opens them.
  it.each(['llama-dynamic', 'phi3-long', 'gemma3', 'neox-parallel'])('%s passes its own check', async (name) => {
    const rows = await checkNetwork(await Network.open(folderOf(name)), expectedFile(folderOf(name)));
    expect(rows.map(({ kind }) => kind).sort()).toEqual(['attention', 'gradient', 'hidden', 'logits', 'loss']);
    expect(rows.filter(({ isOk }) => !isOk)).toEqual([]);
  });
});

type Config = { readonly [key: string]: unknown };
const inRope =
  (change: (rope: { [key: string]: unknown }) => unknown, key = 'rope_parameters') =>
  (config: Config): Config => {
    const rope = structuredClone(config[key]) as { [key: string]: unknown };
    change(rope);
    return { ...config, [key]: rope };
  };

const FAULTS: readonly (readonly [fixture: string, fault: string, alter: (config: Config) => Config])[] = [
  ['mistral', 'a window one longer', (config) => ({ ...config, sliding_window: 5 })],
  ['mistral', 'a window one shorter', (config) => ({ ...config, sliding_window: 3 })],
  ['qwen2-windows', 'windows one layer later', (config) => ({ ...config, max_window_layers: 2 })],
  ['gemma3', 'bases of full and sliding layers exchanged', inRope((rope) => {
    [rope['full_attention'], rope['sliding_attention']] = [rope['sliding_attention'], rope['full_attention']];
  })],
  ['gemma2', 'a cap on attention that is 10 % larger', (config) => ({ ...config, attn_logit_softcapping: 1.65 })],
  ['neox-parallel', 'blocks in sequence', (config) => ({ ...config, use_parallel_residual: false })],
  ['llama-dynamic', 'no growth of the base', (config) => ({ ...config, max_position_embeddings: 12 })],
  ['llama-yarn', 'a ramp cut to whole dimensions', inRope((rope) => (rope['truncate'] = true))],
  ['llama-yarn-older', 'no mscale', inRope((rope) => delete rope['mscale'], 'rope_scaling')],
  ['phi3-long', 'factors for short texts', (config) => ({ ...config, original_max_position_embeddings: 12 })],
  ['qwen3', 'a rope base that is 10 % larger', inRope((rope) => (rope['rope_theta'] = 1_100_000))],
  ['gpt2-by-layer', 'no scale by layer', (config) => ({ ...config, scale_attn_by_inverse_layer_idx: false })],
]; // prettier-ignore

describe('planted faults', () => {
  it.each(FAULTS)('%s with %s is noticed', async (name, _, alter) => {
    const errors = await compareWithExpected(await openFixture(name, alter));
    expect(Math.max(errors.logits, errors.attention)).toBeGreaterThan(1e-3);
  });
});
