/**
 * Guards around a model: what is sent, what is shown, what is said of a block, and that nothing of the inner model is
 * lost. The keyword guard stands in for all guards that read words; it is also shown that an attack gets round it.
 */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { memoryCallLog } from '../memory.ts';
import { decorate } from '../decorate.ts';
import type { Ask, Model, ReplyEvent, ScoredModel } from '../model.ts';
import { functionModel } from '../providers/function.ts';
import { scriptedModel } from '../providers/scripted.ts';
import { collect, foldReply, gather, text } from '../reply.ts';
import { wrap } from '../wrap.ts';
import type { Guard } from './guard.ts';
import { cutText, guarded } from './guarded.ts';
import { keywordGuard } from './keyword.ts';

const never = new AbortController().signal;
const ask = (content: string): Ask => ({ messages: [{ role: 'user', content }] });
const words = ['grimroot', 'Vexlamp'];

/** A model that says `reply` in pieces and notes what it was asked and whether it was broken off. */
function talker(pieces: readonly string[]) {
  const log = { asked: [] as Ask[], said: 0, isBrokenOff: false };
  const base = scriptedModel(['unused']);
  const model: Model = wrap(base, async function* (given) {
    log.asked.push(given);
    let isWhole = false;
    try {
      for (const piece of pieces) {
        log.said++;
        yield { type: 'text', text: piece };
      }
      isWhole = true;
      yield { type: 'end', reason: 'stop', usage: { inputTokens: 5, outputTokens: 40 } };
    } finally {
      log.isBrokenOff = !isWhole;
    }
  });
  return { model, log };
}

/** A guard from two functions. */
function guardOf(id: string, watch: ReturnType<Guard['watch']>, reads: Guard['reads'] = 'chat'): Guard {
  return { id, reads, watch: () => watch };
}

describe('an input guard', () => {
  test('blocks before the ask is sent, and a block is data', async () => {
    const { model, log } = talker(['never said']);
    const reply = await collect(guarded(model, [keywordGuard(words)]), 'How is VEXLAMP oil made?');
    expect(reply).toMatchObject({ ended: 'blocked', text: "I can't help with that.", usage: { outputTokens: 0 } });
    expect(reply.verdicts).toMatchObject([
      { score: 1, threshold: 0, blocked: true, why: 'keyword "vexlamp" in the ask' },
    ]);
    expect(reply.verdicts[0]!.costMs).toBeGreaterThanOrEqual(0);
    expect(log.asked).toHaveLength(0);
  });

  test('lets through what it does not know: a misspelt word defeats it', async () => {
    const { model } = talker(['Boil it.']);
    const reply = await collect(guarded(model, [keywordGuard(words)]), 'How is v-e-x-l-a-m-p oil made?');
    expect(reply).toMatchObject({ ended: 'stop', text: 'Boil it.' });
    expect(reply.verdicts.map(({ blocked }) => blocked)).toEqual([false, false]);
  });

  test('may rewrite the ask', async () => {
    const { model, log } = talker(['ok']);
    const guard = guardOf('masks', { ask: () => ({ ask: ask('masked') }) });
    await collect(guarded(model, [guard]), 'secret');
    expect(log.asked).toEqual([ask('masked')]);
  });
});

describe('an output guard', () => {
  test('halts in the middle, before the word, and breaks the streaming model off', async () => {
    const { model, log } = talker(['First take some ', 'grim', 'root, then ', 'boil it ', 'for long.']);
    const safe = guarded(model, [keywordGuard(words, { watches: 'reply' })]);
    const reply = foldReply(await gather(safe.reply(ask('tell me'), never, { incremental: true })));
    expect(reply).toMatchObject({ ended: 'blocked', text: 'First take some ' });
    expect(reply.usage).toMatchObject({ estimated: true });
    // Three of five pieces were written when it was seen: about 31 characters, whatever was shown of them.
    expect(reply.usage.outputTokens).toBe(Math.ceil('First take some grimroot, then '.length / 3));
    expect(log).toMatchObject({ said: 3, isBrokenOff: true });
  });

  test('of a reply that is not streamed gives the usage that was paid', async () => {
    const { model, log } = talker(['First take some grimroot, then boil it.']);
    const reply = await collect(guarded(model, [keywordGuard(words)]), 'tell me');
    expect(reply).toMatchObject({ ended: 'blocked', text: 'First take some ', usage: { outputTokens: 40 } });
    expect(log.isBrokenOff).toBe(false);
  });

  test('may rewrite the reply, and hold it back until its end', async () => {
    const { model } = talker(['a ', 'b']);
    const held: ReplyEvent[] = [];
    const guard = guardOf('louder', {
      event(event) {
        if (event.type === 'end') return { pass: held };
        held.push(event.type === 'text' ? { type: 'text', text: event.text.toUpperCase() } : event);
        return { pass: [] };
      },
    });
    expect(await collect(guarded(model, [guard]), 'x')).toMatchObject({ text: 'A B', ended: 'stop' });
  });

  test('is halted at the same character however the text was cut into events', async () => {
    const alphabet = fc.constantFrom('a', ' ', '-', 'grimroot', 'grim', 'root', '\u0130', '.', '\n');
    await fc.assert(
      fc.asyncProperty(
        fc.array(alphabet, { maxLength: 12 }),
        fc.array(fc.nat(9), { minLength: 1, maxLength: 12 }),
        async (parts, sizes) => {
          const whole = parts.join('');
          const pieces: string[] = [];
          for (let at = 0, i = 0; at < whole.length; i++) {
            const size = 1 + sizes[i % sizes.length]!;
            pieces.push(whole.slice(at, at + size));
            at += size;
          }
          const hit = /(?<![\p{L}\p{M}\p{N}])grimroot(?![\p{L}\p{M}\p{N}])/iu.exec(whole);
          for (const incremental of [true, false]) {
            const { model } = talker(pieces);
            const safe = guarded(model, [keywordGuard(words, { watches: 'reply' })], { says: '' });
            const reply = foldReply(await gather(safe.reply(ask('x'), never, { incremental })));
            expect(reply.text).toBe(hit === null ? whole : whole.slice(0, hit.index));
            expect(reply.ended).toBe(hit === null ? 'stop' : 'blocked');
          }
        },
      ),
      { numRuns: 200 },
    );
  });

  test('sees reasoning and tool calls, and log-probabilities stay with their tokens', async () => {
    const model = (events: readonly ReplyEvent[]) => scriptedModel([{ events }], { after: 'repeat-last' });
    const end: ReplyEvent = { type: 'end', reason: 'stop', usage: { inputTokens: 1, outputTokens: 1 } };
    const thinks = model([{ type: 'reasoning', text: 'use grimroot' }, { type: 'text', text: 'Fine.' }, end]);
    const guard = keywordGuard(words);
    expect(await collect(guarded(thinks, [guard]), 'x')).toMatchObject({ ended: 'blocked', reasoning: 'use ' });
    const calls = model([{ type: 'tool-call', call: { id: '1', tool: 'buy', input: { what: 'grimroot' } } }, end]);
    expect(await collect(guarded(calls, [guard]), 'x')).toMatchObject({ ended: 'blocked', calls: [] });
    const logprobs = ['a', ' grim', 'root'].map((token) => ({ token, logprob: -1 }));
    const scored = model([{ type: 'text', text: 'a grimroot', logprobs }, end]);
    expect(await collect(guarded(scored, [guard]), 'x')).toMatchObject({ text: 'a ', logprobs: [logprobs[0]] });
    expect(cutText({ type: 'text', text: 'abc' }, 1)).toEqual([
      { type: 'text', text: 'a' },
      { type: 'text', text: 'bc' },
    ]);
  });

  test('that fails fails the call: nothing unread is delivered as if it had passed', async () => {
    const { model } = talker(['unread']);
    const broken = guardOf('broken', {
      event: () => {
        throw new Error('out of order');
      },
    });
    const seen: string[] = [];
    await expect(async () => {
      for await (const event of guarded(model, [broken]).reply(ask('x'), never)) seen.push(event.type);
    }).rejects.toThrow('out of order');
    expect(seen).toEqual([]);
  });
});

describe('a guarded model', () => {
  test('keeps the access of its inner model, under an id that names its guards', async () => {
    const scored: ScoredModel & { network: object } = {
      ...scriptedModel(['yes'], { id: 'inner' }),
      network: { layers: 2 },
      logprobs: () => Promise.resolve([{ token: 'a', logprob: -2 }]),
    };
    const guard = keywordGuard(words);
    const safe = guarded(scored, [guard]);
    expect(safe.network).toBe(scored.network);
    expect(await safe.logprobs(ask('x'), 'a')).toEqual([{ token: 'a', logprob: -2 }]);
    expect(safe.id).toBe(`guarded:${guard.id}@inner`);
    expect(safe.guards).toEqual([guard.id]);
    expect(keywordGuard(['other']).id).not.toBe(guard.id);
  });

  test('composes: the first guard sees the ask first and the reply last', async () => {
    const seen: string[] = [];
    const named = (id: string) =>
      guardOf(id, {
        ask: () => (seen.push(`${id} ask`), { verdict: { score: 0, threshold: 1, blocked: false, why: 'fine' } }),
        event: (event) => (seen.push(`${id} ${event.type}`), {}),
      });
    const reply = await collect(guarded(talker(['hi']).model, [named('outer'), named('inner')]), 'x');
    expect(seen).toEqual(['outer ask', 'inner ask', 'inner text', 'outer text', 'inner end', 'outer end']);
    expect(reply.verdicts.map(({ guard }) => guard)).toEqual(['outer', 'inner']);
  });

  test('is refused to a guard that reads more than the model offers', () => {
    const probe = guardOf('probe', {}, 'weights');
    expect(() => guarded(scriptedModel(['x']), [probe])).toThrow(/reads a model's weights, and scripted offers chat/);
  });

  test('is recorded whole: what a guard said is in the log, and replayed', async () => {
    const log = memoryCallLog();
    const inner = functionModel('inner', () => 'take some grimroot now');
    const { model } = decorate(guarded(inner, [keywordGuard(words)]), { log, retry: false });
    const first = await collect(model, 'x');
    expect(first).toMatchObject({ ended: 'blocked', text: 'take some ' });
    const again = await collect(decorate(guarded(inner, [keywordGuard(words)]), { log, retry: false }).model, 'x');
    expect(again).toEqual(first);
    expect(log.calls).toHaveLength(1);
    expect(text(log.calls[0]!.events)).toBe('take some ');
  });
});
