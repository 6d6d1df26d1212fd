/**
 * Activations of an open model at one site, and a shuffled stream of them to train on.
 *
 * Batch i of a stream depends on the seed and on i alone, so a run that was killed goes on with the batches it would
 * have had. Where everything fits the buffer it is read once and permuted anew each epoch; else a buffer is filled from
 * texts in an order that is new each epoch, and shuffled whole. Departure from the usual buffer, which keeps half of
 * what it held and so depends on its past.
 */
import { FiducialError } from '../../core/errors.ts';
import type { Random } from '../../core/random.ts';
import type { Network } from '../../network/index.ts';
import { parseSite, siteShape } from '../../network/index.ts';

export interface ActivationSource {
  readonly width: number;
  /** Activations that each text gives. */
  readonly counts: readonly number[];
  /** Activations of these texts, [count, width] each. */
  read(texts: readonly number[]): Promise<Float32Array[]>;
}

/**
 * @param texts token ids
 * @param skip positions at the start of each text that are left out: a first token has an outlier's activation
 * @throws FiducialError `network.site`; `dictionary.bad-site` for attention scores and patterns, which have no width
 */
export function activationSource(
  network: Network,
  site: string,
  texts: readonly (readonly number[])[],
  skip = 0,
): ActivationSource {
  const shape = siteShape(network.description, parseSite(network.description, site).kind);
  if (shape === 'heads-first') {
    throw new FiducialError(
      'dictionary.bad-site',
      `${site} has no width of its own`,
      'Choose a stream, an output or z.',
    );
  }
  const width = shape.reduce((product, size) => product * size, 1);
  return {
    width,
    counts: texts.map(({ length }) => Math.max(0, length - skip)),
    async read(chosen) {
      const read: Float32Array[] = [];
      for (let at = 0; at < chosen.length; at += TEXTS_AT_ONCE) {
        const some = chosen.slice(at, at + TEXTS_AT_ONCE);
        const results = await network.run(
          some.map((text) => texts[text]!),
          { read: [site], withoutLogits: true },
        );
        for (const { values } of results) read.push((values[site]!.data as Float32Array).subarray(skip * width));
      }
      return read;
    },
  };
}

const TEXTS_AT_ONCE = 64;

export interface StreamOptions {
  readonly batch: number;
  /** Activations held at once. @default 2^18 */
  readonly buffer?: number;
}

export interface ActivationStream {
  /** Batch of this number, [batch, width]. */
  batch(index: number): Promise<Float32Array>;
}

/**
 * @throws FiducialError `dictionary.no-data` where the texts give no activation
 * @example const x = await activationStream(source, { batch: 1024 }, random('stream')).batch(0);
 */
export function activationStream(
  source: ActivationSource,
  { batch, buffer = 2 ** 18 }: StreamOptions,
  random: Random,
): ActivationStream {
  const { width, counts } = source;
  const total = counts.reduce((sum, count) => sum + count, 0);
  if (total === 0) {
    throw new FiducialError('dictionary.no-data', 'The texts give no activation', 'Give texts of some tokens.');
  }
  const every = counts.map((_, text) => text);
  /** Texts in the order of an epoch. */
  const orderOf = kept((epoch) => random.split('texts').split(epoch).shuffle(every));

  if (total <= buffer) {
    let all: Promise<Float32Array> | undefined;
    const permutation = kept((epoch) =>
      random
        .split('rows')
        .split(epoch)
        .shuffle(Array.from({ length: total }, (_, i) => i)),
    );
    return {
      async batch(index) {
        const rows = await (all ??= source.read(every).then((parts) => joined(parts, total, width)));
        return gathered(rows, width, batch, (i) => {
          const at = index * batch + i;
          return permutation(Math.floor(at / total))[at % total]!;
        });
      },
    };
  }

  const perBlock = Math.max(1, Math.floor(buffer / batch)) * batch;
  const block = kept(async (number) => {
    const [from, to] = [number * perBlock, (number + 1) * perBlock];
    const wanted: number[] = [];
    let first: number | undefined;
    for (let epoch = Math.floor(from / total); epoch * total < to; epoch++) {
      let at = epoch * total;
      for (const text of orderOf(epoch)) {
        if (at < to && at + counts[text]! > from) {
          first ??= at;
          wanted.push(text);
        }
        at += counts[text]!;
      }
    }
    const rows = joined(
      await source.read(wanted),
      wanted.reduce((sum, text) => sum + counts[text]!, 0),
      width,
    );
    const offset = from - first!;
    const order = random
      .split('block')
      .split(number)
      .shuffle(Array.from({ length: perBlock }, (_, i) => offset + i));
    return { rows, order };
  });
  const batches = perBlock / batch;
  return {
    async batch(index) {
      const { rows, order } = await block(Math.floor(index / batches));
      return gathered(rows, width, batch, (i) => order[(index % batches) * batch + i]!);
    },
  };
}

/** The last result of a function of a number, kept. */
function kept<T>(make: (number: number) => T): (number: number) => T {
  let last: { readonly number: number; readonly value: T } | undefined;
  return (number) => {
    if (last?.number !== number) last = { number, value: make(number) };
    return last.value;
  };
}

function joined(parts: readonly Float32Array[], rows: number, width: number): Float32Array {
  const whole = new Float32Array(rows * width);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

function gathered(rows: Float32Array, width: number, count: number, place: (i: number) => number): Float32Array {
  const out = new Float32Array(count * width);
  for (let i = 0; i < count; i++) {
    const from = place(i) * width;
    out.set(rows.subarray(from, from + width), i * width);
  }
  return out;
}
