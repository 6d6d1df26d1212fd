/**
 * Opens the checkpoints with known answers of ../fixtures for tests, and holds a model against them. They were made by
 * reference/make_fixtures.py, an independent implementation in torch. The configuration can be altered on the way, so
 * that a test can check that the answers would notice.
 */
import { fileURLToPath } from 'node:url';
import { compile, crossEntropy, mean, narrow, type Tensor, tensor, toHost, valueAndGrad } from '../../engine/index.ts';
import { openCheckpoint, openSafetensors, readFloat32, readTensor } from '../checkpoint/index.ts';
import { forward, type ForwardInputs, type ForwardOptions, plainPositions } from '../forward.ts';
import { parametersOf } from '../parameters.ts';
import type { Tap } from '../taps.ts';
import { describe } from './architectures.ts';
import type { Description } from './description.ts';

export const FIXTURES = [
  'gpt2-by-layer', 'gpt2-untied', 'neox-parallel', 'neox-sequential', 'llama-linear', 'llama-dynamic', 'llama-yarn',
  'llama-yarn-older', 'llama-llama3', 'mistral', 'qwen2-windows', 'qwen3', 'gemma2', 'gemma2-older', 'gemma3',
  'gemma3-older', 'phi3', 'phi3-long', 'phi3-short', 'olmo2',
] as const; // prettier-ignore

export interface Fixture {
  readonly name: string;
  readonly config: { readonly [key: string]: unknown };
  readonly description: Description;
  /** Host arrays in float32, by canonical name. */
  readonly parameters: { readonly [name: string]: Tensor };
  /** [time] */
  readonly tokens: Int32Array;
  readonly expected: ReadonlyMap<string, Float32Array>;
}

export async function openFixture(
  name: string,
  alter: (config: { readonly [key: string]: unknown }) => { readonly [key: string]: unknown } = (config) => config,
): Promise<Fixture> {
  const folder = fileURLToPath(new URL(`../fixtures/${name}`, import.meta.url));
  const checkpoint = await openCheckpoint(folder);
  const config = alter(checkpoint.config);
  const description = describe(config);
  const parameters: { [name: string]: Tensor } = {};
  for (const [key, value] of parametersOf(description, checkpoint.tensors, folder)) {
    const host = await toHost(value);
    parameters[key] = tensor(Float32Array.from(host.toFloat64()), { shape: host.shape });
  }
  const file = await openSafetensors(`${folder}/expected.safetensors`);
  const expected = new Map<string, Float32Array>();
  for (const [key, entry] of file.tensors) if (key !== 'tokens') expected.set(key, await readFloat32(entry));
  const tokens = Int32Array.from(await readIntegers(file.tensors.get('tokens')!));
  return { name, config, description, parameters, tokens, expected };
}

async function readIntegers(entry: Parameters<typeof readTensor>[0]): Promise<Int32Array> {
  const bytes = await readTensor(entry);
  return new Int32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4);
}

/** Largest differences from the known answers: absolute, and for gradients relative to each tensor's largest value. */
export interface Errors {
  readonly logits: number;
  readonly hidden: number;
  readonly attention: number;
  readonly loss: number;
  readonly gradient: number;
}

export async function compareWithExpected(fixture: Fixture): Promise<Errors> {
  const { description, parameters, tokens: ids, expected } = fixture;
  const time = ids.length;
  const tokens = tensor(ids, { shape: [1, time] });
  const run = compile((weights: { readonly [name: string]: Tensor }, given: Tensor) => {
    const seen: { [site: string]: Tensor } = {};
    const tap: Tap = {
      wants: (site) => /\.(resid_pre|attn\.pattern)$/.test(site),
      apply: (site, value) => (seen[site] = value),
    };
    const { value: loss, gradient } = valueAndGrad((inner: { readonly [name: string]: Tensor }) => {
      const { logits } = runForward(description, inner, { tokens: given, positions: plainPositions(1, time) });
      return mean(crossEntropy(narrow(logits!, 1, 0, time - 1), narrow(given, 1, 1, time)).loss);
    })(weights);
    const { logits, final } = runForward(
      description,
      weights,
      { tokens: given, positions: plainPositions(1, time) },
      { tap },
    );
    return { logits: logits!, final, seen, loss, gradient };
  });
  const { logits, final, seen, loss, gradient } = await run(parameters, tokens);
  const apart = (name: string, value: Tensor): { difference: number; largest: number } => {
    const wanted = expected.get(name);
    const got = value.toFloat64();
    if (wanted === undefined || wanted.length !== got.length) throw new Error(`${fixture.name} has no ${name} like it`);
    let [difference, largest] = [0, 0];
    for (let i = 0; i < got.length; i++) {
      difference = Math.max(difference, Math.abs(got[i]! - wanted[i]!));
      largest = Math.max(largest, Math.abs(wanted[i]!));
      if (Number.isNaN(got[i])) difference = Infinity;
    }
    return { difference, largest };
  };
  const layers = Array.from({ length: description.layers }, (_, layer) => layer);
  const worst = (values: readonly number[]): number => Math.max(...values);
  return {
    logits: apart('logits', logits).difference,
    hidden: worst([
      apart(`hidden.${description.layers}`, final).difference,
      ...layers.map((layer) => apart(`hidden.${layer}`, seen[`blocks.${layer}.resid_pre`]!).difference),
    ]),
    attention: worst(
      layers.map((layer) => apart(`attention.${layer}`, seen[`blocks.${layer}.attn.pattern`]!).difference),
    ),
    loss: apart('loss', loss).difference,
    gradient: worst(
      Object.entries(gradient).map(([name, value]) => {
        const { difference, largest } = apart(`grad.${name}`, value);
        // Some are zero but for rounding: a key's bias changes no softmax where nothing rotates it.
        return difference / Math.max(largest, 1e-3);
      }),
    ),
  };
}

/** The forward pass over named arrays. */
export function runForward(
  description: Description,
  weights: { readonly [name: string]: Tensor },
  inputs: ForwardInputs,
  options: Omit<ForwardOptions, 'weights'> = {},
): ReturnType<typeof forward> {
  return forward(description, inputs, { weights: (name) => weights[name]!, ...options });
}
