/**
 * Holds a checkpoint against known answers: `expected.safetensors` with `tokens` and any of `logits`, `hidden.N`,
 * `attention.N`, `loss`, `grad.NAME` and `greedy`, as the library that trained the model computed them.
 *
 * An error is the largest absolute difference over the largest expected value (at least 1 for everything but
 * gradients). Gradients that are zero but for rounding are held against the largest gradient of all.
 */
import { join } from 'node:path';
import { FiducialError } from '../core/errors.ts';
import { compile, crossEntropy, mean, narrow, type Tensor, tensor, valueAndGrad } from '../engine/index.ts';
import { openSafetensors, readFloat32, readTensor, type TensorEntry } from './checkpoint/index.ts';
import { forward, plainPositions } from './forward.ts';
import type { Network } from './network.ts';

export interface CheckRow {
  /** `logits`, `hidden`, `attention`, `loss`, `gradient` or `greedy`. */
  readonly kind: string;
  /** How many tensors (tokens for `greedy`) were compared. */
  readonly compared: number;
  /** The worst absolute and relative errors, and where the worst relative one is. */
  readonly absolute: number;
  readonly relative: number;
  readonly worst: string;
  readonly tolerance: number;
  readonly isOk: boolean;
}

/** Relative error allowed by kind; `greedy` counts tokens that differ. */
export const TOLERANCES: { readonly [kind: string]: number } = {
  logits: 1e-4,
  hidden: 1e-4,
  attention: 1e-4,
  loss: 1e-4,
  gradient: 1e-3,
  greedy: 0,
};

/** The file of known answers in a folder. */
export const expectedFile = (folder: string): string => join(folder, 'expected.safetensors');

/**
 * Compares and says how far apart. Throws `network.check` for a file without `tokens` or with nothing to compare.
 *
 * @example const rows = await checkNetwork(await Network.open(folder), expectedFile(folder));
 */
export async function checkNetwork(
  network: Network,
  file: string,
  tolerances: { readonly [kind: string]: number } = TOLERANCES,
): Promise<CheckRow[]> {
  const { tensors } = await openSafetensors(file);
  const entry = tensors.get('tokens');
  if (entry === undefined || entry.shape.length !== 2) {
    throw new FiducialError(
      'network.check',
      `${file}: there is no tensor tokens [batch, time]`,
      'Save the token ids beside the expected values.',
    );
  }
  const tokens = await readIntegers(entry);
  const time = entry.shape[1]!;
  const texts = Array.from({ length: entry.shape[0]! }, (_, row) => tokens.slice(row * time, (row + 1) * time));
  const { layers } = network.description;
  const names = [...tensors.keys()].filter((name) => name !== 'tokens');
  const rows = new Map<string, { compared: number; absolute: number; relative: number; worst: string }>();
  const note = (kind: string, name: string, absolute: number, relative: number): void => {
    const row = rows.get(kind) ?? { compared: 0, absolute: 0, relative: 0, worst: name };
    row.compared++;
    row.absolute = larger(row.absolute, absolute);
    if (!(relative <= row.relative)) [row.relative, row.worst] = [relative, name];
    rows.set(kind, row);
  };

  const siteOf = (name: string): string | undefined => {
    const [kind, number] = [name.replace(/\.\d+$/, ''), Number(/\.(\d+)$/.exec(name)?.[1])];
    if (kind === 'attention' && number < layers) return `blocks.${number}.attn.pattern`;
    return kind === 'hidden' && number < layers ? `blocks.${number}.resid_pre` : undefined;
  };
  const read = names.flatMap((name) => siteOf(name) ?? []);
  const needsRun = names.some((name) => name === 'logits' || /^(hidden|attention)\.\d+$/.test(name));
  if (needsRun) {
    const results = await network.run(texts, { read });
    const finals = names.includes(`hidden.${layers}`) ? await finalStreams(network, tokens, entry.shape) : undefined;
    for (const name of names) {
      if (name !== 'logits' && !/^(hidden|attention)\.\d+$/.test(name)) continue;
      const expected = await readFloat32(tensors.get(name)!);
      const site = siteOf(name);
      const found =
        name === `hidden.${layers}`
          ? finals!.toFloat64()
          : joined(results.map((result) => (site === undefined ? result.logits! : result.values[site]!)));
      const { absolute, largest } = compare(expected, found, name, file);
      note(name.replace(/\.\d+$/, ''), name, absolute, absolute / Math.max(1, largest));
    }
  }
  const gradients = names.filter((name) => name.startsWith('grad.'));
  if (gradients.length > 0 || names.includes('loss')) {
    const { loss, gradient } = await lossAndGradient(network, tokens, entry.shape, gradients.length > 0);
    if (names.includes('loss')) {
      const [expected] = await readFloat32(tensors.get('loss')!);
      const absolute = Math.abs(loss - expected!);
      note('loss', 'loss', absolute, absolute / Math.max(1, Math.abs(expected!)));
    }
    const compared: { name: string; absolute: number; largest: number }[] = [];
    for (const name of gradients) {
      const own = gradient[name.slice('grad.'.length)];
      if (own === undefined)
        throw new FiducialError(
          'network.check',
          `${file}: ${name} is no parameter of the model`,
          'Names are those of the checkpoint.',
        );
      compared.push({ name, ...compare(await readFloat32(tensors.get(name)!), own.toFloat64(), name, file) });
    }
    const largestOfAll = Math.max(...compared.map(({ largest }) => largest));
    for (const { name, absolute, largest } of compared)
      note('gradient', name, absolute, absolute / Math.max(largest, 1e-3 * largestOfAll));
  }
  if (names.includes('greedy')) {
    const expected = Array.from(await readIntegers(tensors.get('greedy')!));
    const prompt = Array.from(texts[0]!.slice(0, 8));
    const isWhole = prompt.every((id, i) => expected[i] === id) && expected.length > 8;
    const wanted = isWhole ? expected.slice(8) : expected;
    const found = await greedy(network, prompt, wanted.length);
    const firstWrong = wanted.findIndex((id, i) => found[i] !== id);
    const wrong = wanted.filter((id, i) => found[i] !== id).length;
    rows.set('greedy', {
      compared: wanted.length,
      absolute: wrong,
      relative: wrong,
      worst: firstWrong < 0 ? 'none' : `token ${firstWrong}`,
    });
  }
  if (rows.size === 0)
    throw new FiducialError(
      'network.check',
      `${file}: there is nothing to compare`,
      'Save logits, hidden.N, attention.N, loss, grad.NAME or greedy.',
    );
  return [...rows].map(([kind, row]) => {
    const tolerance = tolerances[kind] ?? TOLERANCES[kind]!;
    return { kind, ...row, tolerance, isOk: row.relative <= tolerance };
  });
}

/** NaN counts as the largest error there is. */
const larger = (a: number, b: number): number => (b <= a ? a : b);

function compare(
  expected: Float32Array,
  found: Float64Array,
  name: string,
  file: string,
): { absolute: number; largest: number } {
  if (expected.length !== found.length) {
    throw new FiducialError(
      'network.check',
      `${file}: ${name} has ${expected.length} numbers, and the model gives ${found.length}`,
      'The expected values are of another model or other tokens.',
    );
  }
  let absolute = 0;
  let largest = 0;
  expected.forEach((value, i) => {
    absolute = larger(absolute, Math.abs(value - found[i]!));
    largest = Math.max(largest, Math.abs(value));
  });
  return { absolute, largest };
}

async function readIntegers(entry: TensorEntry): Promise<Int32Array> {
  const bytes = await readTensor(entry);
  if (entry.dtype === 'I64') return Int32Array.from(new BigInt64Array(bytes.buffer), Number);
  if (entry.dtype === 'I32') return new Int32Array(bytes.buffer);
  throw new FiducialError(
    'network.check',
    `${entry.file}: ${entry.name} has the type ${entry.dtype}`,
    'Token ids are I32 or I64.',
  );
}

function joined(parts: readonly Tensor[]): Float64Array {
  const out = new Float64Array(parts.reduce((total, part) => total + part.size, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part.toFloat64(), at);
    at += part.size;
  }
  return out;
}

async function finalStreams(network: Network, tokens: Int32Array, shape: readonly number[]): Promise<Tensor> {
  const run = compile((ids: Tensor) => {
    const [batch, time] = ids.shape as [number, number];
    return forward(
      network.description,
      { tokens: ids, positions: plainPositions(batch, time) },
      { ...network.forwardOptions(), withoutLogits: true },
    ).final;
  });
  return run(tensor(tokens, { shape }));
}

/** Shifted mean cross-entropy of the tokens against themselves, and its gradient by every parameter. */
async function lossAndGradient(
  network: Network,
  tokens: Int32Array,
  shape: readonly number[],
  withGradient: boolean,
): Promise<{ loss: number; gradient: Record<string, Tensor> }> {
  const { lowRank } = network.forwardOptions();
  const loss = (parameters: Record<string, Tensor>, ids: Tensor): Tensor => {
    const [batch, time] = ids.shape as [number, number];
    const options = { weights: (name: string) => parameters[name]!, ...(lowRank === undefined ? {} : { lowRank }) };
    const { logits } = forward(network.description, { tokens: ids, positions: plainPositions(batch, time) }, options);
    return mean(crossEntropy(narrow(logits!, 1, 0, time - 1), narrow(ids, 1, 1, time)).loss);
  };
  const parameters = await network.load();
  const ids = tensor(tokens, { shape });
  if (!withGradient) return { loss: (await compile(loss)(parameters, ids)).item(), gradient: {} };
  const both = compile((p: Record<string, Tensor>, x: Tensor) => valueAndGrad(loss)(p, x));
  const { value, gradient } = await both(parameters, ids);
  return { loss: value.item(), gradient };
}

/** Greedy continuation by full recomputation: no cache, so that nothing else is tested with it. */
async function greedy(network: Network, prompt: readonly number[], count: number): Promise<number[]> {
  const ids = [...prompt];
  while (ids.length < prompt.length + count) {
    const [result] = await network.run([ids], { positions: [-1] });
    const logits = result!.logits!.data as Float32Array;
    ids.push(logits.indexOf(logits.reduce((best, value) => Math.max(best, value), -Infinity)));
  }
  return ids.slice(prompt.length);
}
