/**
 * The compiled work of generation: texts from their beginning, texts behind what is cached, and one token for every
 * row. Shapes come from {@link ShapeBook}s, so a long mixed workload makes about a dozen sessions. New keys and values
 * leave the graph as one array, [layers, 2, rows, keyHeads, time, headWidth]; old ones are read where they lie.
 */
import { compile, fromData, stack, type Tensor } from '../../engine/index.ts';
import { forward, type ForwardInputs } from '../forward.ts';
import type { KeyValueCache } from './cache.ts';
import { longestText, type Forwardable } from './forwardable.ts';
import { halfStep, powerOfFour, powerOfTwo, rowBucket, ShapeBook } from './shapes.ts';

/** Tokens of one text that a step computes: from `from` to `from + count`. */
export interface Part {
  readonly tokens: readonly number[];
  readonly from: number;
  readonly count: number;
  readonly slot: number;
}

/** What a step gave, for parts in the order in which they were given. */
export interface StepResult {
  /** Logits [vocabulary] behind the last token of part `i`; a view. */
  logitsOf(i: number): Float32Array;
  /** Puts the keys and values of part `i` into its slot. */
  keep(i: number): void;
}

const LEAST_TIME = 16;

export class Steps {
  readonly #vocabulary: number;
  readonly #cache: KeyValueCache;
  readonly #maxRows: number;
  readonly #longest: number;
  readonly #cold: (tokens: Tensor, positions: Tensor, at: Tensor) => Promise<{ logits: Tensor; fresh: Tensor }>;
  readonly #cached: (
    tokens: Tensor,
    positions: Tensor,
    lengths: Tensor,
    keys: readonly Tensor[],
    values: readonly Tensor[],
    at: Tensor | undefined,
  ) => Promise<{ logits: Tensor; fresh: Tensor }>;
  /** By rows and time. One step runs at a time, so its inputs can be written anew for the next. */
  readonly #inputs = new Map<string, StepInputs>();
  // Costs count tokens; 8 stand for the weights, which a run reads however few tokens it has.
  readonly #coldShapes = new ShapeBook({
    budget: 4,
    tolerance: 2,
    cost: ([rows, time]) => rows! * time! + 8,
  });
  readonly #extendShapes = new ShapeBook({
    budget: 3,
    tolerance: 2,
    cost: ([rows, time]) => rows! * time! + 8,
  });
  readonly #decodeShapes = new ShapeBook({
    budget: 5,
    tolerance: 1.5,
    cost: ([rows]) => rows! + 8,
  });
  readonly #capacities = new ShapeBook({ budget: 3, tolerance: 2, cost: ([capacity]) => capacity! });

  constructor(network: Forwardable, cache: KeyValueCache, maxRows: number) {
    const { description } = network;
    this.#vocabulary = description.vocabulary;
    this.#cache = cache;
    this.#maxRows = maxRows;
    this.#longest = longestText(description);
    const run = (inputs: ForwardInputs): { logits: Tensor; fresh: Tensor } => {
      const { logits, keys, values } = forward(description, inputs, network.forwardOptions());
      return { logits: logits!, fresh: stack(keys.flatMap((key, layer) => [key, values[layer]!])) };
    };
    const options = { prepack: network.prepack };
    this.#cold = compile((tokens, positions, logitsAt) => run({ tokens, positions, logitsAt }), {
      ...options,
      label: 'generate.prefill',
    });
    this.#cached = compile(
      (tokens, positions, lengths, keys, values, at) =>
        run({
          tokens,
          positions,
          past: { lengths, keys, values },
          ...(at === undefined ? {} : { logitsAt: at }),
        }),
      { ...options, label: 'generate.step' },
    );
  }

  /** The capacity to lay the cache out with for texts of this length. */
  capacityFor(length: number): number {
    // Masked places cost little beside the weights, and every capacity asks for steps of its own.
    const wanted = Math.min(powerOfFour(length, 64), powerOfTwo(this.#longest, 64));
    return this.#capacities.choose([wanted])[0]!;
  }

  /**
   * How many of `lengths`, longest first, to compute together: rows are padded to the longest and to a round number,
   * and past the point where most of it would be padding, several runs cost less.
   */
  rowsTogether(lengths: readonly number[], maxTokens: number): number {
    const time = halfStep(lengths[0]!, LEAST_TIME);
    let best = 1;
    let sum = 0;
    for (const [i, length] of lengths.entries()) {
      sum += length;
      const padded = rowBucket(i + 1) * time;
      if (i > 0 && padded > maxTokens) break;
      if (sum >= 0.4 * padded) best = i + 1;
    }
    return best;
  }

  /** Texts from their beginning, without a cache. All parts have `from` 0. */
  async fromBeginning(parts: readonly Part[]): Promise<StepResult> {
    const longest = Math.max(...parts.map(({ count }) => count));
    const wanted = [rowBucket(parts.length), halfStep(longest, LEAST_TIME)];
    const [rows, time] = this.#coldShapes.choose(wanted) as [number, number];
    const inputs = this.#fill(
      parts,
      parts.map((_, i) => i),
      rows,
      time,
    );
    const { logits, fresh } = await this.#cold(inputs.tokens, inputs.positions, inputs.at);
    return this.#result(
      parts,
      parts.map((_, i) => i),
      rows,
      time,
      logits,
      fresh,
    );
  }

  /**
   * Texts behind what their slots hold. Slots between those of the parts are computed as padding.
   * A part may come out shorter than it was given: its `count` at most is the time of the shape that was chosen.
   */
  async behindCache(given: readonly Part[]): Promise<StepResult & { readonly parts: readonly Part[] }> {
    const { slots, capacity } = this.#cache;
    const lowest = Math.min(...given.map(({ slot }) => slot));
    const span = Math.max(...given.map(({ slot }) => slot)) + 1 - lowest;
    const longest = Math.max(...given.map(({ count }) => count));
    let shape: readonly number[];
    if (longest === 1) {
      const used = lowest + span;
      // From slot 0 on, so that rows that come and go meet the same arrays.
      const fits = ([rows, size]: readonly number[]): boolean => size === capacity && rows! >= used && rows! <= slots;
      const [rows] = this.#decodeShapes.choose([Math.min(rowBucket(used), slots), capacity], fits, [slots, capacity]);
      shape = [rows!, 1];
    } else {
      const hasRows = ([rows, , size]: readonly number[]): boolean =>
        size === capacity && rows! >= span && rows! <= slots;
      const time = powerOfFour(longest, LEAST_TIME);
      const wanted = [Math.min(rowBucket(span), slots), time, capacity];
      shape = this.#extendShapes.choose(
        wanted,
        (known) => hasRows(known) && (this.#extendShapes.isFull || known[1]! >= longest),
        [slots, time, capacity],
      );
    }
    const [rows, time] = shape as [number, number];
    const first = longest === 1 ? 0 : Math.min(lowest, slots - rows);
    const parts = given.map((part) => ({ ...part, count: Math.min(part.count, time) }));
    const at = parts.map(({ slot }) => slot - first);
    const inputs = this.#fill(parts, at, rows, time);
    const { keys, values } = this.#cache.view(first, rows);
    const { logits, fresh } = await this.#cached(
      inputs.tokens,
      inputs.positions,
      inputs.lengths,
      keys,
      values,
      time === 1 ? undefined : inputs.at,
    );
    return { ...this.#result(parts, at, rows, time, logits, fresh), parts };
  }

  /** The number of slots to have for this many rows. */
  slotsFor(rows: number): number {
    return Math.min(rowBucket(rows), this.#maxRows);
  }

  #fill(parts: readonly Part[], rowOf: readonly number[], rows: number, time: number): StepInputs {
    const name = `${rows} ${time}`;
    let inputs = this.#inputs.get(name);
    if (inputs === undefined) this.#inputs.set(name, (inputs = emptyInputs(rows, time)));
    const [tokens, positions, lengths, at] = [inputs.tokens, inputs.positions, inputs.lengths, inputs.at].map(
      ({ data }) => data as Int32Array,
    ) as [Int32Array, Int32Array, Int32Array, Int32Array];
    positions.fill(-1);
    lengths.fill(0);
    for (const [i, part] of parts.entries()) {
      const row = rowOf[i]!;
      for (let j = 0; j < part.count; j++) {
        tokens[row * time + j] = part.tokens[part.from + j]!;
        positions[row * time + j] = part.from + j;
      }
      lengths[row] = part.from;
      at[row] = part.count - 1;
    }
    return inputs;
  }

  #result(
    parts: readonly Part[],
    rowOf: readonly number[],
    rows: number,
    time: number,
    logits: Tensor,
    fresh: Tensor,
  ): StepResult {
    const all = logits.data as Float32Array; // [rows, 1, vocabulary]
    const size = this.#vocabulary;
    return {
      logitsOf: (i) => all.subarray(rowOf[i]! * size, (rowOf[i]! + 1) * size),
      keep: (i) => {
        const { slot, from, count } = parts[i]!;
        this.#cache.store(fresh.data as Float32Array, rows, time, rowOf[i]!, count, slot, from);
      },
    };
  }
}

interface StepInputs {
  readonly tokens: Tensor;
  readonly positions: Tensor;
  readonly lengths: Tensor;
  readonly at: Tensor;
}

function emptyInputs(rows: number, time: number): StepInputs {
  const int = (shape: readonly number[]): Tensor =>
    fromData(new Int32Array(shape.reduce((product, size) => product * size, 1)), shape, 'int32');
  return { tokens: int([rows, time]), positions: int([rows, time]), lengths: int([rows]), at: int([rows, 1]) };
}
