/** What the generator promises its callers: seeds, stops, limits, cancellation, failures, shared beginnings, sessions. */
import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import { random } from '../../core/random.ts';
import { heldSessions, type Tensor, releaseSessions } from '../../engine/index.ts';
import type { Forwardable } from './forwardable.ts';
import { collect, Generator } from './generator.ts';
import { RANDOM_CONFIGURATIONS, randomModel } from './random-model.ts';
import type { GenerationEnd, TokenEvent } from './reply.ts';
import type { GenerateRequest } from './request.ts';

const model = randomModel(RANDOM_CONFIGURATIONS.llama);
const prompt = [3, 1, 4, 1, 5, 9, 2, 6];

/** Ids are their letters: token 0 is "a", and so on through the alphabet. */
const letters = {
  decodeStream: () => ({ push: (id: number) => String.fromCodePoint(97 + (id % 26)), flush: () => '' }),
};

const endOf = (events: readonly TokenEvent[]): GenerationEnd => {
  const end = events.at(-1)!;
  if (end.type !== 'end') throw new Error('the last event is no end');
  return end;
};
const run = async (
  generator: Generator,
  request: GenerateRequest,
): Promise<{ ids: number[]; text: string; end: GenerationEnd; events: TokenEvent[] }> => {
  const { ids, text, events } = await collect(generator.generate(request));
  return { ids, text, events, end: endOf(events) };
};
const tokensOf = (name: string, length: number): number[] => {
  const stream = random(6).split(name);
  return Array.from({ length }, () => stream.integer(61));
};

beforeEach(releaseSessions);
afterAll(releaseSessions);

describe('randomness', () => {
  const sampled = { prompt, maxTokens: 12, temperature: 1, seed: 4 };

  it('is the same for a name, alone and among others, and another for another name', async () => {
    const alone = await run(new Generator(model), { ...sampled, name: 'mine' });
    const generator = new Generator(model);
    const others = [5, 2, 17].map((length, i) =>
      run(generator, { ...sampled, prompt: tokensOf(`${i}`, length), name: `${i}` }),
    );
    const among = await run(generator, { ...sampled, name: 'mine' });
    await Promise.all(others);
    expect(among.ids).toEqual(alone.ids);
    expect((await run(generator, { ...sampled, name: 'yours' })).ids).not.toEqual(alone.ids);
    expect((await run(generator, { ...sampled, name: 'mine', seed: 5 })).ids).not.toEqual(alone.ids);
    // Without a name two requests are two samples.
    const [one, two] = [await run(generator, sampled), await run(generator, sampled)];
    expect(one.ids).not.toEqual(two.ids);
  });
});

describe('ends', () => {
  it('stops at a stop token, which is not part of the reply', async () => {
    const generator = new Generator(model);
    const { ids: whole } = await run(generator, { prompt, maxTokens: 20 });
    const stop = whole[4]!;
    const first = whole.indexOf(stop);
    const stopped = await run(new Generator(model, { stopTokens: [stop] }), { prompt });
    expect(stopped.ids).toEqual(whole.slice(0, first));
    expect(stopped.end).toMatchObject({ reason: 'stop', stoppedBy: { token: stop }, generatedTokens: first + 1 });
    const later = await run(generator, { prompt, maxTokens: 20, stopTokens: [stop], minTokens: 10 });
    expect(later.ids.slice(0, 10)).not.toContain(stop);
    expect(later.ids.length).toBeGreaterThanOrEqual(10);
  });

  it('cuts at a stop string and says which', async () => {
    const generator = new Generator(model, { tokenizer: letters });
    const { text: whole } = await run(generator, { prompt, maxTokens: 20 });
    expect(whole).toHaveLength(20);
    const stop = whole.slice(6, 9);
    const { text, end, events } = await run(generator, { prompt, maxTokens: 20, stop: ['never', stop] });
    expect(text).toBe(whole.slice(0, whole.indexOf(stop)));
    expect(end).toMatchObject({ reason: 'stop', stoppedBy: { text: stop } });
    expect(events).toHaveLength(text.length + 1);
  });

  it('ends with length at maxTokens and at the end of the context', async () => {
    const generator = new Generator(model);
    expect((await run(generator, { prompt, maxTokens: 3 })).end).toMatchObject({
      reason: 'length',
      generatedTokens: 3,
    });
    const long = await run(generator, { prompt: tokensOf('long', 120) });
    expect(long.end).toMatchObject({ reason: 'length', promptTokens: 120, generatedTokens: 8 });
    const full = await run(generator, { prompt: tokensOf('full', 128) });
    expect(full.end).toMatchObject({ reason: 'length', generatedTokens: 0 });
  });

  it('continues a forced prefix as it would continue its own words', async () => {
    const generator = new Generator(model);
    const { ids } = await run(generator, { prompt, maxTokens: 12 });
    const forced = await run(generator, { prompt, prefix: ids.slice(0, 5), maxTokens: 7 });
    expect(forced.ids).toEqual(ids.slice(5));
  });
});

describe('log-probabilities', () => {
  it('are of the distribution before temperature and lists, and sum to one', async () => {
    const generator = new Generator(model);
    const request = { prompt, maxTokens: 6, logprobs: 61, temperature: 0.3, topK: 2, deny: [7], name: 'x' };
    const { events } = await run(generator, request);
    for (const event of events) {
      if (event.type === 'end') continue;
      const total = event.top!.reduce((sum, { logprob }) => sum + Math.exp(logprob), 0);
      expect(total).toBeCloseTo(1, 5);
      expect(event.top!.find(({ id }) => id === event.id)!.logprob).toBe(event.logprob);
      expect(event.top!.some(({ id }) => id === 7)).toBe(true);
    }
    const plain = await run(generator, { prompt, maxTokens: 1 });
    expect(plain.events[0]).not.toHaveProperty('logprob');
  });
});

describe('bad requests', () => {
  it.each<[string, GenerateRequest, string]>([
    [
      'a prompt past the context',
      { prompt: tokensOf('x', 129) },
      '129 tokens of prompt are more than the context of 128',
    ],
    ['prompt and prefix past it', { prompt: tokensOf('x', 100), prefix: tokensOf('y', 40) }, '140 tokens'],
    ['no prompt', { prompt: [] }, 'no tokens'],
    ['an unknown token', { prompt: [1, 61] }, 'token 1 is 61'],
    ['stop strings without a tokenizer', { prompt, stop: ['x'] }, 'no tokenizer'],
    ['a bad number', { prompt, maxTokens: 1.5 }, 'maxTokens is 1.5'],
    ['a bad setting', { prompt, topP: 7 }, 'topP is 7'],
  ])('%s', async (_, request, words) => {
    await expect(run(new Generator(model), request)).rejects.toThrow(words);
  });
});

describe('cancellation and failure', () => {
  it('frees the slot at once, gives the reason, and disturbs nobody', async () => {
    const expected = await run(new Generator(model), { prompt: tokensOf('b', 9), maxTokens: 20 });
    const generator = new Generator(model, { maxRows: 2 });
    const control = new AbortController();
    const seen: TokenEvent[] = [];
    const cancelled = (async () => {
      for await (const event of generator.generate({ prompt, maxTokens: 100 }, control.signal)) {
        seen.push(event);
        if (seen.length === 5) control.abort(new Error('enough'));
      }
    })();
    const other = run(generator, { prompt: tokensOf('b', 9), maxTokens: 20 });
    const waiting = run(generator, { prompt: tokensOf('b', 9), maxTokens: 20 });
    await expect(cancelled).rejects.toThrow('enough');
    expect(seen).toHaveLength(5);
    expect((await other).ids).toEqual(expected.ids);
    expect((await waiting).ids).toEqual(expected.ids);
    expect(generator.load).toEqual({ rows: 0, waiting: 0 });
    await expect(collect(generator.generate({ prompt }, AbortSignal.abort(new Error('before'))))).rejects.toThrow(
      'before',
    );
  });

  it('forgets a row whose reader leaves the loop', async () => {
    const generator = new Generator(model);
    for await (const event of generator.generate({ prompt, maxTokens: 100 })) if (event.type === 'token') break;
    expect(generator.load).toEqual({ rows: 0, waiting: 0 });
  });

  it('fails only the caller whose processor fails', async () => {
    const generator = new Generator(model);
    const expected = (await run(generator, { prompt, maxTokens: 8 })).ids;
    const broken = run(generator, {
      prompt,
      processors: [
        ({ index }) => {
          if (index === 2) throw new Error('broken processor');
        },
      ],
    });
    const other = run(generator, { prompt, maxTokens: 8 });
    await expect(broken).rejects.toThrow('broken processor');
    expect((await other).ids).toEqual(expected);
  });

  it('hands a failing step to all who wait for it, and works again after it', async () => {
    let isBroken = false;
    const weights = (name: string): Tensor => {
      if (isBroken) throw new Error('weights are gone');
      return model.parameters.get(name)!;
    };
    const failing: Forwardable = { ...model, forwardOptions: () => ({ weights }) };
    const generator = new Generator(failing);
    const expected = (await run(generator, { prompt, maxTokens: 4 })).ids;
    isBroken = true;
    const longer = [1, 2, 3].map((i) => run(generator, { prompt: tokensOf(`fail ${i}`, 40), maxTokens: 4 }));
    for (const settled of await Promise.allSettled(longer)) {
      expect(settled.status).toBe('rejected');
      expect(String((settled as PromiseRejectedResult).reason)).toContain('weights are gone');
    }
    isBroken = false;
    expect((await run(generator, { prompt, maxTokens: 4 })).ids).toEqual(expected);
  });

  it('a text whose values are not finite leaves nothing behind in its slot', async () => {
    const parameters = new Map(model.parameters);
    const table = parameters.get(model.description.tokens)!;
    const poisoned = (table.data as Float32Array).slice();
    poisoned.fill(NaN, 60 * 16, 61 * 16);
    const { fromData } = await import('../../engine/index.ts');
    parameters.set(model.description.tokens, fromData(poisoned, table.shape, 'float32'));
    const generator = new Generator({ ...model, forwardOptions: () => ({ weights: (name) => parameters.get(name)! }) });
    const expected = (await run(generator, { prompt, maxTokens: 6, deny: [60] })).ids;
    const bad = run(generator, { prompt: [...tokensOf('bad', 20).map((id) => id % 60), 60, 1], maxTokens: 4 });
    const good = run(generator, { prompt, maxTokens: 6, deny: [60] });
    await expect(bad).rejects.toThrow('not finite');
    expect((await good).ids).toEqual(expected);
    expect((await run(generator, { prompt, maxTokens: 6, deny: [60] })).ids).toEqual(expected);
  });
});

describe('slow readers', () => {
  it('do not keep others waiting, and lose nothing', async () => {
    const wide = randomModel({ ...RANDOM_CONFIGURATIONS.llama, max_position_embeddings: 512 });
    const generator = new Generator(wide, { maxRows: 1 });
    const slow = generator.generate({ prompt, maxTokens: 300 });
    const first = await slow.next();
    // Only one row at a time, and it is the slow reader's: it must give way.
    const quick = await run(generator, { prompt: tokensOf('quick', 6), maxTokens: 4 });
    expect(quick.ids).toHaveLength(4);
    const rest = await collect(slow);
    const again = await run(new Generator(wide), { prompt, maxTokens: 300 });
    expect([(first.value as { id: number }).id, ...rest.ids]).toEqual(again.ids);
  });
});

describe('shared beginnings', () => {
  it('are computed once, across calls and within one batch, and change nothing', async () => {
    const shared = tokensOf('system', 40);
    const requests = [3, 9, 6, 14].map((length, i): GenerateRequest => ({
      prompt: [...shared, ...tokensOf(`question ${i}`, length)],
      maxTokens: 8,
    }));
    const apart = new Generator(model, { prefixCacheBytes: 0 });
    const expected = await Promise.all(requests.map((request) => run(apart, request)));
    expect(expected.map(({ end }) => end.cachedTokens)).toEqual([0, 0, 0, 0]);
    const generator = new Generator(model);
    const batch = await Promise.all(requests.map((request) => run(generator, request)));
    expect(batch.map(({ ids }) => ids)).toEqual(expected.map(({ ids }) => ids));
    expect(batch.map(({ end }) => end.cachedTokens)).toEqual([0, 40, 40, 40]);
    const later = await Promise.all(requests.map((request) => run(generator, request)));
    expect(later.map(({ ids }) => ids)).toEqual(expected.map(({ ids }) => ids));
    expect(later.map(({ end }) => end.cachedTokens)).toEqual(requests.map((request) => request.prompt.length - 1));
    generator.clearPrefixes();
    expect((await run(generator, requests[0]!)).end.cachedTokens).toBe(0);
  });

  it('stay within their bytes', async () => {
    const tokenBytes = 2 * 2 * 2 * 4 * 4;
    const generator = new Generator(model, { prefixCacheBytes: 50 * tokenBytes });
    const [one, two] = [tokensOf('one', 30), tokensOf('two', 30)];
    for (const text of [one, two, two]) await run(generator, { prompt: text, maxTokens: 2 });
    expect((await run(generator, { prompt: two, maxTokens: 2 })).end.cachedTokens).toBe(29);
    expect((await run(generator, { prompt: one, maxTokens: 2 })).end.cachedTokens).toBe(0);
  });
});

describe('sessions', () => {
  it('are about a dozen for a long mixed workload', async () => {
    const wide = randomModel({ ...RANDOM_CONFIGURATIONS.llama, max_position_embeddings: 512 });
    const generator = new Generator(wide);
    const stream = random(9).split('workload');
    const shared = tokensOf('shared', 50);
    let made = 0;
    for (let wave = 0; wave < 14; wave++) {
      const count = 1 + stream.integer(wave % 3 === 0 ? 40 : 6);
      const requests = Array.from({ length: count }, (_, i): GenerateRequest => {
        const own = tokensOf(`${wave} ${i}`, 1 + stream.integer(wave % 4 === 0 ? 400 : 60));
        return { prompt: stream.uniform() < 0.3 ? [...shared, ...own] : own, maxTokens: 1 + stream.integer(12) };
      });
      made += (await Promise.all(requests.map((request) => run(generator, request)))).length;
    }
    expect(made).toBeGreaterThan(100);
    expect(heldSessions().length).toBeLessThanOrEqual(14);
  });
});
