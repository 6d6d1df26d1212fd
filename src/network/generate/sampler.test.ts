/** Sampling: exact truncated sets, penalties as published, frequencies of known distributions, seeds. */
import { describe, expect, it } from 'vitest';
import { argMax, distribution, logSumExp, Sampler, topTokens, type SamplingOptions } from './sampler.ts';

const logitsOf = (probabilities: readonly number[]): Float32Array => Float32Array.from(probabilities, Math.log);
const choose = (
  options: SamplingOptions,
  logits: Float32Array,
  tokens: readonly number[] = [0],
  promptLength = 1,
): number => new Sampler(options, 'test', logits.length).choose(logits, tokens, promptLength);

/** The tokens left, with their probabilities. */
function left(logits: Float32Array, options: SamplingOptions): Map<number, number> {
  const { ids, weights, total } = distribution(logits, logits[argMax(logits)]!, options);
  const found = new Map<number, number>();
  for (const [i, weight] of weights.entries()) if (weight > 0) found.set(ids?.[i] ?? i, weight / total);
  return found;
}

const five = logitsOf([0.1, 0.4, 0.05, 0.25, 0.2]);

describe('truncation', () => {
  it.each<[string, SamplingOptions, number[]]>([
    ['nothing', {}, [0, 1, 2, 3, 4]],
    ['top-k 2', { topK: 2 }, [1, 3]],
    ['top-k beyond the vocabulary', { topK: 99 }, [0, 1, 2, 3, 4]],
    ['top-p just reached by one', { topP: 0.39 }, [1]],
    ['top-p that needs a second', { topP: 0.41 }, [1, 3]],
    ['top-p 0.86', { topP: 0.86 }, [0, 1, 3, 4]],
    ['top-p 1', { topP: 1 }, [0, 1, 2, 3, 4]],
    ['min-p 0.45 of 0.4', { minP: 0.45 }, [1, 3, 4]],
    ['min-p 1', { minP: 1 }, [1]],
    // Of 0.4, 0.25, 0.2 the first two are 0.76 of what top-k leaves.
    ['top-p of what top-k left', { topK: 3, topP: 0.7 }, [1, 3]],
    ['all three', { topK: 4, topP: 0.99, minP: 0.55 }, [1, 3]],
  ])('%s', (_, options, expected) => {
    const found = left(five, options);
    expect([...found.keys()].toSorted((a, b) => a - b)).toEqual(expected);
    const all = [0.1, 0.4, 0.05, 0.25, 0.2];
    const sum = expected.reduce((total, id) => total + all[id]!, 0);
    for (const [id, probability] of found) expect(probability).toBeCloseTo(all[id]! / sum, 6);
  });

  it('takes the temperature first: top-p then sees the flatter or sharper distribution', () => {
    expect(left(five, { temperature: 0.25, topP: 0.8 }).size).toBe(1); // 0.4^4 : 0.25^4 : 0.2^4 is 0.0256 : 0.0039 : 0.0016
    expect(left(five, { temperature: 100, topP: 0.7 }).size).toBe(4);
  });

  it('keeps all that are equal at the edge of top-k, and lower ids first at the edge of top-p', () => {
    const equal = logitsOf([0.25, 0.25, 0.25, 0.25]);
    expect(left(equal, { topK: 2 }).size).toBe(4);
    expect([...left(equal, { topP: 0.5 }).keys()]).toEqual([0, 1]);
  });
});

describe('greedy', () => {
  it('takes the most likely token, the lowest id of equals', () => {
    expect(choose({}, Float32Array.of(1, 3, 3, 2))).toBe(1);
    expect(choose({ temperature: 0 }, Float32Array.of(-5, -9))).toBe(0);
  });

  it('penalises what prompt and reply hold: logits below 0 are multiplied, others divided', () => {
    expect(choose({ repetitionPenalty: 2 }, Float32Array.of(4, 2.5, -1), [0], 1)).toBe(1);
    expect(choose({ repetitionPenalty: 1.5 }, Float32Array.of(4, 2.5, -1), [0], 1)).toBe(0);
    expect(choose({ repetitionPenalty: 2 }, Float32Array.of(-1, -1.5, -4), [0], 1)).toBe(1);
    expect(choose({ repetitionPenalty: 1.5 }, Float32Array.of(-1, -1.6, -4), [0], 1)).toBe(0);
    // A token that stands there twice is penalised once.
    expect(choose({ repetitionPenalty: 1.5 }, Float32Array.of(4, 2.5), [0, 0, 0], 1)).toBe(0);
  });

  it('keeps to the lists, whatever a processor does', () => {
    const raise = (_: unknown, logits: Float32Array): void => void (logits[2] = 100);
    const logits = Float32Array.of(5, 4, 3, 2);
    expect(choose({ processors: [raise] }, logits)).toBe(2);
    expect(choose({ processors: [raise], deny: [2] }, logits)).toBe(0);
    expect(choose({ allow: [1, 3] }, logits)).toBe(1);
    expect(choose({ allow: [1, 3], deny: [1] }, logits)).toBe(3);
    expect(logits).toEqual(Float32Array.of(5, 4, 3, 2));
  });
});

describe('errors', () => {
  it.each<[SamplingOptions, string]>([
    [{ temperature: -1 }, 'temperature'],
    [{ temperature: NaN }, 'temperature'],
    [{ topK: 0 }, 'topK'],
    [{ topK: 1.5 }, 'topK'],
    [{ topP: 0 }, 'topP'],
    [{ topP: 1.1 }, 'topP'],
    [{ minP: 2 }, 'minP'],
    [{ repetitionPenalty: 0 }, 'repetitionPenalty'],
    [{ deny: [5] }, 'deny'],
    [{ allow: [-1] }, 'allow'],
  ])('%j is refused by name', (options, name) => {
    expect(() => choose(options, five)).toThrow(name);
  });

  it('says that nothing may be chosen, and that logits are not finite', () => {
    expect(() => choose({ allow: [1], deny: [1] }, five)).toThrow('no token may be chosen');
    expect(() => choose({}, Float32Array.of(1, NaN, 2))).toThrow('not finite');
    expect(() => choose({ temperature: 1 }, Float32Array.of(NaN, 0))).toThrow('not finite');
  });
});

describe('randomness', () => {
  // 99.99 % quantile of chi-square with 4 degrees of freedom: scipy.stats.chi2.ppf(0.9999, 4)
  const THRESHOLD = 23.512742444991076;
  const draws = 20_000;

  const chiSquare = (options: SamplingOptions, expected: readonly number[]): number => {
    const sampler = new Sampler(options, 'frequencies', five.length);
    const counts = Array.from(five, () => 0);
    const tokens: number[] = [0];
    for (let i = 0; i < draws; i++) {
      counts[sampler.choose(five, tokens, 1)]!++;
      tokens.push(0);
    }
    return expected.reduce((sum, p, i) => {
      if (p === 0) {
        expect(counts[i]).toBe(0);
        return sum;
      }
      return sum + (counts[i]! - draws * p) ** 2 / (draws * p);
    }, 0);
  };

  it('draws each token as often as its probability says', () => {
    expect(chiSquare({ temperature: 1 }, [0.1, 0.4, 0.05, 0.25, 0.2])).toBeLessThan(THRESHOLD);
    // Squared and normalised: the sum of squares is 0.275.
    const squared = [0.01, 0.16, 0.0025, 0.0625, 0.04].map((p) => p / 0.275);
    expect(chiSquare({ temperature: 0.5 }, squared)).toBeLessThan(THRESHOLD);
    expect(chiSquare({ temperature: 1 }, squared)).toBeGreaterThan(THRESHOLD); // the test can fail
    expect(chiSquare({ temperature: 1, topK: 2 }, [0, 0.4 / 0.65, 0, 0.25 / 0.65, 0])).toBeLessThan(THRESHOLD);
  });

  it('depends on seed, name and place, and on nothing else', () => {
    const draw = (seed: number, name: string, index: number, prompt: readonly number[] = [0]): number =>
      new Sampler({ temperature: 1, seed }, name, 4096).choose(
        new Float32Array(4096),
        [...prompt, ...Array.from({ length: index }, () => 0)],
        prompt.length,
      );
    expect(draw(1, 'a', 3)).toBe(draw(1, 'a', 3, [5, 6, 7]));
    expect(new Set([draw(1, 'a', 3), draw(2, 'a', 3), draw(1, 'b', 3), draw(1, 'a', 4)]).size).toBe(4);
  });
});

it('gives the most likely tokens with their log-probabilities', () => {
  expect(topTokens(five, 3).map(({ id }) => id)).toEqual([1, 3, 4]);
  expect(topTokens(five, 1)[0]!.logprob).toBeCloseTo(Math.log(0.4), 6);
  expect(topTokens(Float32Array.of(1, 2, 2, 2), 2).map(({ id }) => id)).toEqual([1, 2]);
  expect(topTokens(five, 9)).toHaveLength(5);
  expect(logSumExp(Float32Array.of(1000, 1000))).toBeCloseTo(1000 + Math.log(2), 3);
});
