/**
 * Log-probabilities of given completions: texts run whole, many at once, and the cross-entropy is taken inside the
 * graph, so that logits never leave it. Under a rope that stretches with the text, every token is scored under the
 * angles of the whole text, as one pass of training would have it.
 */
import { FiducialError } from '../../core/errors.ts';
import { compile, crossEntropy, fromData, neg, type Tensor, topK } from '../../engine/index.ts';
import { forward } from '../forward.ts';
import { longestText, requireTokens, type Forwardable } from './forwardable.ts';
import type { TokenChoice } from './sampler.ts';
import { powerOfTwo, rowBucket, ShapeBook } from './shapes.ts';

export interface PromptAndCompletion {
  /** At least one token: the beginning-of-text token where the text has no other. */
  readonly prompt: readonly number[];
  readonly completion: readonly number[];
}

export interface ScoredToken extends TokenChoice {
  /** The most likely tokens at this place. */
  readonly top?: readonly TokenChoice[];
}

export interface ScoreOptions {
  /** Give this many most likely tokens beside each. */
  readonly top?: number;
  readonly signal?: AbortSignal;
}

/** Tokens of one run, padding included. */
const MAX_TOKENS = 2048;
/** Logits inside one run; as many log-probabilities are beside them. */
const MAX_LOGITS = 2 ** 25;
const LEAST = 16;

interface Program {
  readonly shapes: ShapeBook;
  readonly run: (
    tokens: Tensor,
    positions: Tensor,
    at: Tensor,
    targets: Tensor,
  ) => Promise<{ logprobs: Tensor; topValues?: Tensor; topIds?: Tensor }>;
}

/** By model, then by the number of alternatives. */
const programs = new WeakMap<Forwardable, Map<number, Program>>();

function programOf(network: Forwardable, top: number): Program {
  let own = programs.get(network);
  if (own === undefined) programs.set(network, (own = new Map()));
  let program = own.get(top);
  if (program !== undefined) return program;
  const { description } = network;
  const { vocabulary, layers, width } = description;
  const unembeddingShare = vocabulary / (vocabulary + 12 * layers * width);
  program = {
    shapes: new ShapeBook({
      budget: 5,
      tolerance: 2,
      cost: ([rows, time, count]) => rows! * (time! * (1 - unembeddingShare) + count! * unembeddingShare) + 8,
    }),
    run: compile(
      (tokens, positions, logitsAt, targets) => {
        const { logits } = forward(description, { tokens, positions, logitsAt }, network.forwardOptions());
        const { loss, logProbabilities } = crossEntropy(logits!, targets);
        const logprobs = neg(loss); // [rows, count]
        if (top === 0) return { logprobs };
        const { values, indices } = topK(logProbabilities, Math.min(top, vocabulary));
        return { logprobs, topValues: values, topIds: indices };
      },
      { label: 'score', prepack: network.prepack },
    ),
  };
  own.set(top, program);
  return program;
}

/**
 * Log-probabilities, in nats, of each token of each completion behind its prompt.
 *
 * @returns for each pair, a value for each token of its completion
 * @throws FiducialError `score.prompt` for a text past the context or an empty prompt, `network.token`
 * @example
 * const [scored] = await scoreCompletions(network, [{ prompt, completion }]);
 * const total = scored.reduce((sum, { logprob }) => sum + logprob, 0);
 */
export async function scoreCompletions(
  network: Forwardable,
  pairs: readonly PromptAndCompletion[],
  { top = 0, signal }: ScoreOptions = {},
): Promise<ScoredToken[][]> {
  if (!Number.isInteger(top) || top < 0) {
    throw new FiducialError('generate.option', `top is ${String(top)}`, 'Give a whole number from 0 up.');
  }
  for (const [i, pair] of pairs.entries()) requirePair(network, pair, i);
  const program = programOf(network, top);
  const { vocabulary } = network.description;
  const results: ScoredToken[][] = pairs.map(() => []);
  const sizeOf = (i: number): [time: number, count: number] => {
    const { prompt, completion } = pairs[i]!;
    return [powerOfTwo(prompt.length + completion.length - 1, LEAST), powerOfTwo(completion.length, LEAST)];
  };
  const order = [...pairs.keys()]
    .filter((i) => pairs[i]!.completion.length > 0)
    .toSorted((a, b) => sizeOf(b)[0] - sizeOf(a)[0] || sizeOf(b)[1] - sizeOf(a)[1] || a - b);
  while (order.length > 0) {
    signal?.throwIfAborted();
    const [time] = sizeOf(order[0]!);
    let count = LEAST;
    let rows = 0;
    while (rows < order.length && rows < 8) {
      const [ownTime, ownCount] = sizeOf(order[rows]!);
      const widest = Math.max(count, ownCount);
      const bucket = rowBucket(rows + 1);
      if (rows > 0 && (bucket * time > MAX_TOKENS || bucket * widest * vocabulary > MAX_LOGITS || ownTime * 4 < time))
        break;
      count = widest;
      rows++;
    }
    const members = order.splice(0, rows);
    const shape = program.shapes.choose([rowBucket(rows), time, count]) as [number, number, number];
    await scoreBatch(
      program,
      members.map((i) => pairs[i]!),
      shape,
      Math.min(top, vocabulary),
      (row, scored) => (results[members[row]!] = scored),
    );
  }
  return results;
}

/** {@link scoreCompletions} of one pair. */
export async function scoreCompletion(
  network: Forwardable,
  prompt: readonly number[],
  completion: readonly number[],
  options: ScoreOptions = {},
): Promise<ScoredToken[]> {
  const [scored] = await scoreCompletions(network, [{ prompt, completion }], options);
  return scored!;
}

async function scoreBatch(
  program: Program,
  pairs: readonly PromptAndCompletion[],
  [rows, time, count]: readonly [number, number, number],
  top: number,
  give: (row: number, scored: ScoredToken[]) => void,
): Promise<void> {
  const tokens = new Int32Array(rows * time);
  const positions = new Int32Array(rows * time).fill(-1);
  const at = new Int32Array(rows * count);
  const targets = new Int32Array(rows * count);
  for (const [row, { prompt, completion }] of pairs.entries()) {
    const text = [...prompt, ...completion];
    for (let i = 0; i < text.length - 1; i++) {
      tokens[row * time + i] = text[i]!;
      positions[row * time + i] = i;
    }
    for (let i = 0; i < completion.length; i++) {
      at[row * count + i] = prompt.length - 1 + i;
      targets[row * count + i] = completion[i]!;
    }
  }
  const int = (data: Int32Array, width: number): Tensor => fromData(data, [rows, width], 'int32');
  const { logprobs, topValues, topIds } = await program.run(
    int(tokens, time),
    int(positions, time),
    int(at, count),
    int(targets, count),
  );
  const values = logprobs.data as Float32Array;
  for (const [row, { completion }] of pairs.entries()) {
    give(
      row,
      completion.map((id, i) => {
        const place = row * count + i;
        const logprob = values[place]!;
        if (topValues === undefined) return { id, logprob };
        const alternatives = Array.from({ length: top }, (_, j) => ({
          id: Number(topIds!.data[place * top + j]),
          logprob: Number(topValues.data[place * top + j]),
        }));
        return { id, logprob, top: alternatives };
      }),
    );
  }
}

function requirePair({ description }: Forwardable, { prompt, completion }: PromptAndCompletion, i: number): void {
  requireTokens(description, prompt, `pair ${i}, prompt`);
  requireTokens(description, completion, `pair ${i}, completion`);
  const longest = longestText(description);
  if (prompt.length === 0) {
    throw new FiducialError(
      'score.prompt',
      `pair ${i}: the prompt has no tokens, so nothing comes before the first token of the completion`,
      'Begin with the token that the model knows as the beginning of a text.',
    );
  }
  if (prompt.length + completion.length > longest) {
    throw new FiducialError(
      'score.prompt',
      `pair ${i}: ${prompt.length} tokens of prompt and ${completion.length} of completion are more than the context of ${longest}`,
      'Shorten one of them.',
    );
  }
}
