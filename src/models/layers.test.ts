/** The layers around a model: recorder, cache, retry, timeouts, and what a wrapped model keeps. */
import { describe, expect, test } from 'vitest';
import { FiducialError } from '../core/errors.ts';
import { cacheReplies } from './cache.ts';
import { decorate } from './decorate.ts';
import { endpointError } from './failure.ts';
import { askHash } from './key.ts';
import { memoryCache, memoryCallLog } from './memory.ts';
import type { Ask, Model, ReplyEvent } from './model.ts';
import type { CallLog, RecordedCall } from './ports.ts';
import { scriptedModel } from './providers/scripted.ts';
import { createRedactor } from './redact.ts';
import { newTrace, record } from './record.ts';
import { collect, foldReply, gather, joinNeighbours } from './reply.ts';
import { retry } from './retry.ts';
import { withTimeouts } from './timeouts.ts';
import { wrap } from './wrap.ts';

const redactor = createRedactor({ env: {} });
const ask: Ask = { messages: [{ role: 'user', content: 'hi' }] };
const never = new AbortController().signal;
const down = (more: object = {}) => endpointError('endpoint.unavailable', 'down', 'wait', { retriable: true, ...more });

describe('replies', () => {
  test('the fold of joined events is the fold of the events', () => {
    const events: ReplyEvent[] = [
      { type: 'reasoning', text: 'a' },
      { type: 'reasoning', text: 'b' },
      { type: 'text', text: 'c' },
      { type: 'text', text: 'd', logprobs: [{ token: 'd', logprob: -1 }] },
      { type: 'tool-call', call: { id: '1', tool: 't', input: {} } },
      { type: 'text', text: 'e' },
      { type: 'end', reason: 'stop', usage: { inputTokens: 1, outputTokens: 2 } },
    ];
    expect(foldReply(joinNeighbours(events))).toEqual(foldReply(events));
    expect(joinNeighbours(events)).toHaveLength(5);
  });
  test('events without an end are not a reply', () => {
    expect(() => foldReply([{ type: 'text', text: 'half' }])).toThrow(FiducialError);
  });
  test('an ask has one hash whatever the order of its keys, and another for any other content', () => {
    const turned = JSON.parse('{"temperature":0,"messages":[{"content":"hi","role":"user"}]}') as Ask;
    expect(askHash({ ...ask, temperature: 0 })).toBe(askHash(turned));
    const image = (byte: number): Ask => ({
      messages: [{ role: 'user', content: 'hi', images: [{ mediaType: 'image/png', bytes: new Uint8Array([byte]) }] }],
    });
    expect(new Set([ask, turned, image(1), image(2)].map((each) => askHash(each))).size).toBe(4);
  });
});

describe('recorder', () => {
  test('a call is in the log before its reply is delivered', async () => {
    const log = memoryCallLog();
    for (const incremental of [false, true]) {
      const model = record(scriptedModel(['one']), { log, redactor, scope: String(incremental) });
      const before = log.calls.length;
      for await (const event of model.reply(ask, never, { incremental })) {
        if (event.type === 'end' || !incremental) expect(log.calls).toHaveLength(before + 1);
      }
    }
  });
  test('a log that cannot be written delivers nothing', async () => {
    const log: CallLog = {
      lookup: () => undefined,
      commit: () => Promise.reject(new FiducialError('store.full', 'no space left', 'free some')),
    };
    const seen: ReplyEvent[] = [];
    const run = async () => {
      for await (const event of record(scriptedModel(['one']), { log, redactor }).reply(ask, never)) seen.push(event);
    };
    await expect(run()).rejects.toMatchObject({ code: 'store.full' });
    expect(seen).toEqual([]);
  });
  test('replay gives the same events and calls nobody, through JSON', async () => {
    const log = memoryCallLog();
    const first = scriptedModel([{ text: 'a', reasoning: 'r', calls: [{ tool: 't', input: { x: 1 } }] }, 'b']);
    const recorded = record(first, { log, redactor, scope: 's' });
    const events = [await gather(recorded.reply(ask, never)), await gather(recorded.reply(ask, never))];
    const stored = new Map(
      log.calls.map((call) => [call.key, JSON.parse(JSON.stringify(call)) as RecordedCall] as const),
    );
    const second = scriptedModel([]);
    const replayed = record(second, {
      log: { lookup: (key) => stored.get(key), commit: () => expect.unreachable() },
      redactor,
      scope: 's',
    });
    expect([await gather(replayed.reply(ask, never)), await gather(replayed.reply(ask, never))]).toEqual(events);
    expect(second.asked).toHaveLength(0);
  });
  test('equal asks are apart by their scope and their number in it', async () => {
    const log = memoryCallLog();
    const model = scriptedModel(['1', '2', '3']);
    const one = record(model, { log, redactor, scope: 'a' });
    await collect(one, ask);
    await collect(one, ask);
    await collect(record(model, { log, redactor, scope: 'b' }), ask);
    expect(new Set(log.calls.map((call) => call.key)).size).toBe(3);
    expect(log.calls.map((call) => [call.scope, call.ordinal])).toEqual([
      ['a', 0],
      ['a', 1],
      ['b', 0],
    ]);
  });
  test('a failed call is kept, and asked again on resume', async () => {
    const log = memoryCallLog();
    await expect(collect(record(scriptedModel([down()]), { log, redactor }), ask)).rejects.toThrow('down');
    expect(log.calls[0]).toMatchObject({ outcome: 'error', error: { code: 'endpoint.unavailable' }, events: [] });
    expect((await collect(record(scriptedModel(['up']), { log, redactor }), ask)).text).toBe('up');
  });
  test('usage, cost, tries and waits are kept', async () => {
    const log = memoryCallLog();
    const model = scriptedModel([down(), { text: 'x', usage: { inputTokens: 10, outputTokens: 4 } }]);
    const recorded = record(retry(model, { baseMs: 1 }), { log, redactor, costOf: (_, u) => u.inputTokens * 2 });
    await collect(recorded, ask);
    expect(log.calls[0]).toMatchObject({
      cost: 20,
      usage: { inputTokens: 10, outputTokens: 4 },
      attempts: [{ error: { code: 'endpoint.unavailable' } }, {}],
    });
  });
});

describe('cache', () => {
  const cached = (model: Model, more: object = {}) => cacheReplies(model, { cache: memoryCache(), redactor, ...more });
  test('a fixed ask is answered once; a sampled one each time', async () => {
    const model = scriptedModel((_, call) => String(call));
    const layer = cached(model);
    const fixed = { ...ask, temperature: 0 };
    expect([(await collect(layer, fixed)).text, (await collect(layer, fixed)).text]).toEqual(['0', '0']);
    expect([(await collect(layer, ask)).text, (await collect(layer, ask)).text]).toEqual(['1', '2']);
  });
  test('sampled replies that are kept on request are never shared by two trials', async () => {
    const model = scriptedModel((_, call) => String(call));
    const cache = memoryCache();
    const texts = async () => {
      const seen: string[] = [];
      for (const scope of ['a', 'b']) {
        const { within } = decorate(model, { log: memoryCallLog(), redactor, cache: { cache, when: 'always' } });
        const trial = within(scope);
        seen.push((await collect(trial, ask)).text, (await collect(trial, ask)).text);
      }
      return seen;
    };
    expect(await texts()).toEqual(['0', '1', '2', '3']);
    expect(await texts()).toEqual(['0', '1', '2', '3']);
    expect(model.asked).toHaveLength(4);
  });
  test('entries expire, belong to a scope and a model, and failures are not kept', async () => {
    let now = 0;
    const cache = memoryCache();
    const model = scriptedModel([down(), '1', '2', '3', '4']);
    const layer = cached(model, { cache, ttlMs: 100, now: () => now });
    const fixed = { ...ask, temperature: 0 };
    await expect(collect(layer, fixed)).rejects.toThrow('down');
    expect((await collect(layer, fixed)).text).toBe('1');
    now = 100;
    expect((await collect(layer, fixed)).text).toBe('2');
    expect((await collect(cached(model, { cache, scope: 'other' }), fixed)).text).toBe('3');
    expect(
      (
        await collect(
          cached(
            wrap(model, (a, s, o) => model.reply(a, s, o), { id: 'another' }),
            { cache },
          ),
          fixed,
        )
      ).text,
    ).toBe('4');
  });
  test('a hit is marked in the log and costs nothing', async () => {
    const log = memoryCallLog();
    const model = { ...scriptedModel(['x']), endpoint: { kind: 'http', address: 'a' } as const };
    const { within } = decorate(model, { log, redactor, cache: { cache: memoryCache() } });
    for (const scope of ['a', 'b']) await collect(within(scope), { ...ask, temperature: 0 });
    expect(log.calls.map((call) => [call.cached, call.cost])).toEqual([
      [false, undefined],
      [true, 0],
    ]);
  });
});

describe('retry', () => {
  test('asks again while it can help, and no further', async () => {
    const model = scriptedModel([down(), down(), 'up']);
    expect((await collect(retry(model, { baseMs: 1 }), ask)).text).toBe('up');
    const dead = scriptedModel(() => down());
    await expect(collect(retry(dead, { attempts: 3, baseMs: 1 }), ask)).rejects.toThrow('down');
    expect(dead.asked).toHaveLength(3);
    const refused = scriptedModel([endpointError('endpoint.rejected', 'no', '', { status: 400 })]);
    await expect(collect(retry(refused), ask)).rejects.toThrow('no');
    expect(refused.asked).toHaveLength(1);
  });
  test('a wait that the endpoint asks for beyond what is allowed fails at once and says so', async () => {
    const model = scriptedModel(() => down({ overloaded: true, retryAfterMs: 3_600_000 }));
    await expect(collect(retry(model), ask)).rejects.toMatchObject({
      code: 'endpoint.overloaded',
      message: expect.stringContaining('3600 s') as string,
    });
    expect(model.asked).toHaveLength(1);
  });
  test('a failure after delivered pieces is final; before them it is not', async () => {
    const half = async function* (): AsyncGenerator<ReplyEvent> {
      yield { type: 'text', text: 'half' };
      throw down();
    };
    const base = scriptedModel(['whole']);
    let calls = 0;
    const model = wrap(base, (a, s, o) => (calls++ === 0 ? half() : base.reply(a, s, o)));
    expect((await collect(retry(model, { baseMs: 1 }), ask)).text).toBe('whole');
    calls = 0;
    await expect(collect(retry(model, { baseMs: 1 }), ask, never, { incremental: true })).rejects.toThrow('down');
  });
  test('an abort ends the wait', async () => {
    const control = new AbortController();
    const model = scriptedModel(() => {
      queueMicrotask(() => control.abort(new Error('stop')));
      return down({ retryAfterMs: 50_000 });
    });
    await expect(collect(retry(model), ask, control.signal)).rejects.toThrow('stop');
  });
});

describe('timeouts', () => {
  test('each limit ends a model that ignores its signal', async () => {
    const deaf = (events: ReplyEvent[]) =>
      wrap(scriptedModel([]), async function* () {
        yield* events;
        await new Promise(() => {});
      });
    const text: ReplyEvent = { type: 'text', text: 'x' };
    for (const [events, setting] of [
      [[], 'firstEventMs'],
      [[text], 'idleMs'],
      [[text], 'totalMs'],
    ] as const) {
      await expect(collect(withTimeouts(deaf([...events]), { [setting]: 20 }), ask)).rejects.toMatchObject({
        code: 'endpoint.timeout',
        hint: expect.stringContaining(setting) as string,
      });
    }
  });
  test('the inner signal aborts, so that a connection ends with its call', async () => {
    let inner: AbortSignal | undefined;
    const model = wrap(scriptedModel([]), async function* (_, signal) {
      inner = signal;
      yield* [];
      await new Promise(() => {});
    });
    await expect(collect(withTimeouts(model, { firstEventMs: 10 }), ask)).rejects.toThrow();
    expect(inner?.aborted).toBe(true);
  });
  test('a consumer that takes its time is not the model’s silence', async () => {
    const model = withTimeouts(scriptedModel(['x']), { idleMs: 10, firstEventMs: 1000 });
    const seen: string[] = [];
    for await (const event of model.reply(ask, never)) {
      seen.push(event.type);
      await new Promise((resolve) => setTimeout(resolve, 40));
    }
    expect(seen).toEqual(['text', 'end']);
  });
});

describe('a wrapped model', () => {
  class Private {
    readonly id = 'p';
    readonly capabilities = scriptedModel([]).capabilities;
    #secret = 'weights';
    get network() {
      return this.#secret;
    }
    logprobs() {
      return Promise.resolve([{ token: this.#secret, logprob: 0 }]);
    }
    async *reply(): AsyncGenerator<ReplyEvent> {
      yield { type: 'end', reason: 'stop', usage: { inputTokens: 0, outputTokens: 0 } };
    }
  }
  test('keeps its access to weights and log-probabilities, private fields included', async () => {
    const { model } = decorate(new Private(), { log: memoryCallLog(), redactor });
    expect(model.network).toBe('weights');
    expect(await model.logprobs()).toEqual([{ token: 'weights', logprob: 0 }]);
    expect((await collect(model, ask)).ended).toBe('stop');
  });
  test('hands its options on through every layer', async () => {
    const trace = newTrace();
    let seen: unknown;
    const base = scriptedModel(['x']);
    const spy = wrap(base, (a, s, o) => {
      seen = o;
      return base.reply(a, s, o);
    });
    await gather(
      decorate(spy, { redactor, cache: { cache: memoryCache() } }).model.reply(ask, never, {
        incremental: true,
        trace,
      }),
    );
    expect(seen).toEqual({ incremental: true, trace });
  });
});
