/** Rates, adaptive concurrency and budgets under concurrency. */
import { afterEach, describe, expect, test, vi } from 'vitest';
import { createBudget, withBudget } from './budget.ts';
import { decorate } from './decorate.ts';
import { endpointError, failureOf } from './failure.ts';
import { createLimiter, limit } from './limit.ts';
import { chatReply, type LocalEndpoint, sendJson, serve } from './local-endpoint.ts';
import { memoryCallLog, memoryLedger, memoryRateCounter } from './memory.ts';
import type { Ask, Model } from './model.ts';
import { priceBook } from './prices.ts';
import { scriptedModel } from './providers/scripted.ts';
import { openaiCompatible } from './providers/vendors.ts';
import { readRateHeaders } from './rate-headers.ts';
import { createRedactor } from './redact.ts';
import { collect } from './reply.ts';
import { retry } from './retry.ts';

const redactor = createRedactor({ env: {} });
const ask: Ask = { messages: [{ role: 'user', content: 'hi' }] };
let endpoint: LocalEndpoint | undefined;
afterEach(async () => {
  await endpoint?.close();
  endpoint = undefined;
});

/** All of `count` calls at once; what became of each. */
async function many(model: Model, count: number, signal?: AbortSignal) {
  const calls = Array.from({ length: count }, (_, i) =>
    collect(model, { messages: [{ role: 'user', content: `case ${i}` }] }, signal).then(
      (reply) => reply.text,
      (error: unknown) => error as { code: string },
    ),
  );
  return Promise.all(calls);
}

describe('rate headers', () => {
  test('seconds, durations, dates and what cannot be read', () => {
    const now = Date.parse('2030-01-01T00:00:00Z');
    expect(readRateHeaders({ 'retry-after': '1.5' }, now)).toEqual({ retryAfterMs: 1500 });
    expect(readRateHeaders({ 'retry-after': 'Tue, 01 Jan 2030 00:00:07 GMT' }, now)).toEqual({ retryAfterMs: 7000 });
    expect(readRateHeaders({ 'retry-after-ms': '20', 'retry-after': '9' }, now)).toEqual({ retryAfterMs: 20 });
    expect(
      readRateHeaders(
        {
          'x-ratelimit-remaining-requests': '0',
          'x-ratelimit-reset-requests': '1m30.5s',
          'x-ratelimit-reset-tokens': '20ms',
        },
        now,
      ),
    ).toEqual({ remainingRequests: 0, resetRequestsMs: 90_500, resetTokensMs: 20 });
    expect(
      readRateHeaders(
        { 'anthropic-ratelimit-tokens-remaining': '5', 'anthropic-ratelimit-tokens-reset': '2030-01-01T00:00:03Z' },
        now,
      ),
    ).toEqual({ remainingTokens: 5, resetTokensMs: 3000 });
    expect(readRateHeaders({ 'retry-after': 'soon', 'x-ratelimit-remaining-tokens': '-1' }, now)).toBeUndefined();
  });
});

describe('a counter', () => {
  test('no window, wherever it starts, sees more than the limit; a call above it passes alone', () => {
    let now = 0;
    const counter = memoryRateCounter(() => now);
    const taken: number[] = [];
    for (; now < 5000; now += 7) {
      if (counter.take('r', 1, { amount: 20, windowMs: 1000 }) === 0) taken.push(now);
    }
    for (const start of taken) {
      expect(taken.filter((at) => at >= start && at < start + 1000).length).toBeLessThanOrEqual(20);
    }
    expect(taken).toHaveLength(100);
    now = 10_000;
    expect(counter.take('r', 500, { amount: 20, windowMs: 1000 })).toBe(0);
    expect(counter.take('r', 1, { amount: 20, windowMs: 1000 })).toBe(1000);
  });
});

describe('limiter', () => {
  test('grows on success, halves once for all calls under way, and never goes below one', async () => {
    const limiter = createLimiter({ startConcurrency: 4, maxConcurrency: 16 });
    const signal = new AbortController().signal;
    const good = { isOverloaded: false, isSuccess: true };
    const bad = { isOverloaded: true, isSuccess: false };
    for (let round = 0; round < 4; round++) {
      const held = await Promise.all(
        Array.from({ length: limiter.state().concurrency }, () => limiter.acquire(1, signal)),
      );
      for (const release of held) release(good);
    }
    expect(limiter.state().concurrency).toBe(16);
    const held = await Promise.all(Array.from({ length: 16 }, () => limiter.acquire(1, signal)));
    for (const release of held) release(bad);
    expect(limiter.state()).toEqual({ concurrency: 8, active: 0, waiting: 0 });
    for (let i = 0; i < 10; i++) (await limiter.acquire(1, signal))(bad);
    expect(limiter.state().concurrency).toBe(1);
  });
  test('a release counts once, and an aborted wait leaves the queue', async () => {
    const limiter = createLimiter({ startConcurrency: 1, maxConcurrency: 1 });
    const release = await limiter.acquire(1, new AbortController().signal);
    const control = new AbortController();
    const waiting = limiter.acquire(1, control.signal);
    expect(limiter.state().waiting).toBe(1);
    control.abort(new Error('stop'));
    await expect(waiting).rejects.toThrow('stop');
    release({ isOverloaded: false, isSuccess: true });
    release({ isOverloaded: false, isSuccess: true });
    expect(limiter.state()).toMatchObject({ active: 0, waiting: 0 });
  });
  test('a limit that holds calls back lets all of them through in the end', async () => {
    const inner = memoryRateCounter();
    let refusals = 0;
    const counter = {
      async take(resource: string, amount: number, limit: { amount: number; windowMs: number }) {
        const wait = await inner.take(resource, amount, limit);
        if (wait > 0) refusals++;
        return wait;
      },
    };
    const limiter = createLimiter({ requests: { amount: 10, windowMs: 50 }, counter });
    expect(
      await many(
        limit(
          scriptedModel(() => 'x'),
          limiter,
        ),
        35,
      ),
    ).toEqual(Array(35).fill('x'));
    expect(refusals).toBeGreaterThanOrEqual(3);
  });
  test('tokens are taken too', async () => {
    const taken: [string, number][] = [];
    const counter = {
      take(resource: string, amount: number) {
        taken.push([resource, amount]);
        return 0;
      },
    };
    const limiter = createLimiter({ name: 'lane', tokensPerMinute: 1000, requestsPerMinute: 5, counter });
    await collect(limit(scriptedModel(['x']), limiter), { ...ask, maxTokens: 30 });
    expect(taken).toEqual([
      ['lane requests/60000', 1],
      ['lane tokens/60000', 31],
    ]);
  });
  test('a counter that fails, fails the calls that wait', async () => {
    const counter = { take: () => Promise.reject(new Error('the database is away')) };
    const limiter = createLimiter({ requestsPerMinute: 5, counter });
    await expect(collect(limit(scriptedModel(['x']), limiter), ask)).rejects.toThrow('the database is away');
  });
  test('an exhausted header pauses everybody until its time has come', async () => {
    endpoint = await serve((_, response) => {
      sendJson(response, chatReply({ text: 'x' }), 200, {
        'x-ratelimit-remaining-requests': '0',
        'x-ratelimit-reset-requests': '120ms',
      });
    });
    const limiter = createLimiter();
    const { within } = decorate(await openaiCompatible(`${endpoint.url}/v1`, 'm'), {
      limiter,
      redactor,
      log: memoryCallLog(),
    });
    await collect(within('a'), ask);
    const next = limiter.acquire(1, new AbortController().signal);
    expect(limiter.state()).toMatchObject({ active: 0, waiting: 1 });
    (await next)({ isOverloaded: false, isSuccess: true });
    expect(limiter.state()).toMatchObject({ active: 0, waiting: 0 });
  });
});

describe('a storm of 429', () => {
  test('recovers without stalling, and every call is answered', async () => {
    // The server holds 4 at once and answers the rest with 429, as a real one would.
    let active = 0;
    let refused = 0;
    endpoint = await serve(async (_, response) => {
      if (active >= 4) {
        refused++;
        sendJson(response, { error: { message: 'slow down' } }, 429, { 'retry-after': '0.02' });
        return;
      }
      active++;
      await new Promise((resolve) => setTimeout(resolve, 5));
      active--;
      sendJson(response, chatReply({ text: 'x' }));
    });
    const model = await openaiCompatible(`${endpoint.url}/v1`, 'm');
    const limiter = createLimiter({ startConcurrency: 32, maxConcurrency: 32 });
    const { model: patient } = decorate(model, { limiter, redactor, retry: { baseMs: 10, overloadAttempts: 50 } });
    expect(await many(patient, 200)).toEqual(Array(200).fill('x'));
    expect(refused).toBeGreaterThan(0);
    expect(limiter.state()).toMatchObject({ active: 0, waiting: 0 });
  });
  test('that does not end fails all calls within the patience, with one word', async () => {
    endpoint = await serve((_, response) => sendJson(response, { error: { message: 'never' } }, 429));
    const model = await openaiCompatible(`${endpoint.url}/v1`, 'm');
    const limiter = createLimiter({ patienceMs: 150 });
    const { model: patient } = decorate(model, {
      limiter,
      redactor,
      retry: { baseMs: 10, maxMs: 20, overloadAttempts: 1000 },
    });
    const answers = await many(patient, 60);
    expect(answers.every((answer) => typeof answer === 'object' && answer.code === 'endpoint.overloaded')).toBe(true);
    expect(limiter.state()).toMatchObject({ active: 0, waiting: 0 });
  });
  test('tells those who wait at the first answer past the patience, instead of sending each to find out', async () => {
    let clock = 0;
    const model = scriptedModel(() => {
      clock += 60;
      return endpointError('endpoint.overloaded', 'no', '', { retriable: true, overloaded: true });
    });
    const limiter = createLimiter({ patienceMs: 100, startConcurrency: 1, now: () => clock });
    const answers = await many(limit(model, limiter), 30);
    expect(answers.every((answer) => typeof answer === 'object' && answer.code === 'endpoint.overloaded')).toBe(true);
    expect(model.asked).toHaveLength(3);
  });
  test('and when it has passed, the same limiter lets calls through again', async () => {
    let isUp = false;
    const model = scriptedModel(() =>
      isUp ? 'x' : endpointError('endpoint.overloaded', 'no', '', { retriable: true, overloaded: true }),
    );
    const limiter = createLimiter({ patienceMs: 20 });
    const patient = retry(limit(model, limiter), { baseMs: 5, maxMs: 10, overloadAttempts: 100 });
    await many(patient, 5);
    isUp = true;
    expect(await many(patient, 20)).toEqual(Array(20).fill('x'));
  });
});

test('a consumer that asks the same endpoint in the middle of a stream does not wait for itself', async () => {
  const model = scriptedModel((_, call) => ({
    events: [
      { type: 'text', text: `${call}a` },
      { type: 'text', text: `${call}b` },
      { type: 'end', reason: 'stop', usage: { inputTokens: 1, outputTokens: 1 } },
    ],
    betweenMs: 1,
  }));
  const limiter = createLimiter({ maxConcurrency: 1 });
  const budget = createBudget({ tokens: 100, replyTokens: 40 });
  const { model: shared } = decorate(model, { limiter, budget, redactor });
  const seen: string[] = [];
  for await (const event of shared.reply(ask, new AbortController().signal, { incremental: true })) {
    if (event.type !== 'text') continue;
    seen.push(event.text);
    if (seen.length === 1) seen.push((await collect(shared, ask)).text);
  }
  expect(seen).toEqual(['0a', '1a1b', '0b']);
});

describe('budget', () => {
  const paid = (reply: () => Promise<object> | object): Model => ({
    ...scriptedModel(async () => ({ text: 'x', ...(await reply()) })),
    endpoint: { kind: 'http', address: 'http://h', host: 'h' },
  });
  const prices = priceBook({ models: { scripted: { inputPerMillion: 1e6, outputPerMillion: 1e6 } } });
  const later = <T>(value: T) => new Promise<T>((resolve) => setTimeout(() => resolve(value), 3));

  test('concurrency cannot overshoot, in money, tokens or calls, and nearly all of it is used', async () => {
    for (const [limits, most] of [
      [{ money: 1000, prices }, 1000],
      [{ tokens: 1000 }, 1000],
      [{ calls: 37 }, 37],
    ] as const) {
      let underWay = 0;
      let worst = 0;
      const budget = createBudget({ ...limits, replyTokens: 50 });
      const model = withBudget(
        paid(async () => {
          worst = Math.max(worst, ++underWay);
          await later(0);
          underWay--;
          return { usage: { inputTokens: 5, outputTokens: 5 } };
        }),
        budget,
      );
      const answers = await many(model, 200);
      const { spent, reserved } = await budget.read();
      const kind = 'money' in limits ? 'money' : 'tokens' in limits ? 'tokens' : 'calls';
      expect(spent[kind]).toBeLessThanOrEqual(most);
      // What is left does not hold one more worst case: 6 or 8 bytes, two margins of 16 and a reply of 50.
      expect(spent[kind]).toBeGreaterThan(most - 92);
      expect(reserved).toEqual({ money: 0, tokens: 0, calls: 0 });
      if (kind === 'calls') expect(spent.calls).toBe(37);
      expect(worst).toBeGreaterThan(5);
      const refused = answers.filter((answer) => typeof answer === 'object');
      expect(refused.every((error) => error.code === 'budget.exhausted')).toBe(true);
      expect(200 - refused.length).toBe(spent.calls);
    }
  });
  test('an unknown price stops the run before its first call, and says which', () => {
    const budget = createBudget({ money: 5, prices: priceBook({ models: {} }) });
    const model = paid(() => ({}));
    expect(() => decorate(model, { budget, redactor })).toThrow(
      expect.objectContaining({
        code: 'budget.unknown-price',
        message: expect.stringContaining('scripted') as string,
      }) as Error,
    );
    expect(() => createBudget({ money: 5 })).toThrow(/no price file/);
  });
  test('a model inside this process needs no price', async () => {
    const budget = createBudget({ money: 0, prices: priceBook({ models: {} }) });
    expect((await collect(decorate(scriptedModel(['x']), { budget, redactor }).model, ask)).text).toBe('x');
  });
  test('an ask without a limit gets one, so that its worst case is one; a set limit stays', async () => {
    const model = scriptedModel(['x', 'x', 'x']);
    const limited = withBudget(model, createBudget({ tokens: 10_000, replyTokens: 77 }));
    await collect(limited, ask);
    await collect(limited, { ...ask, maxTokens: 5 });
    await collect(withBudget(model, createBudget({ calls: 9 })), ask);
    expect(model.asked.map((each) => each.maxTokens)).toEqual([77, 5, undefined]);
  });
  test('what surely was not billed costs a call; what may have been, its worst case', async () => {
    const budget = createBudget({ tokens: 10_000, replyTokens: 50 });
    const model = withBudget(
      scriptedModel([
        endpointError('endpoint.unreachable', 'no', ''),
        endpointError('endpoint.reset', 'no', '', { maybeBilled: true }),
      ]),
      budget,
    );
    await many(model, 1);
    expect((await budget.read()).spent).toMatchObject({ tokens: 0, calls: 1 });
    await many(model, 1);
    expect((await budget.read()).spent).toMatchObject({ tokens: 6 + 32 + 50, calls: 2 });
  });
  test('a resumed run begins with what was spent, and two budgets may share one ledger', async () => {
    const ledger = memoryLedger({ money: 0, tokens: 0, calls: 8 });
    const make = () => withBudget(scriptedModel(['x'], { after: 'repeat-last' }), createBudget({ calls: 10, ledger }));
    const answers = [...(await many(make(), 2)), ...(await many(make(), 2))];
    expect(answers.filter((answer) => answer === 'x')).toHaveLength(2);
  });
  test('is never retried, and every abandoned call gives its reservation back', async () => {
    const budget = createBudget({ calls: 1 });
    const model = scriptedModel(['x', 'x'], { after: 'repeat-last' });
    const { model: limited } = decorate(model, { budget, redactor, retry: { baseMs: 1 } });
    for await (const event of limited.reply(ask, new AbortController().signal, { incremental: true })) {
      expect(event.type).toBe('text');
      break;
    }
    await vi.waitFor(async () => {
      const { spent, reserved } = await budget.read();
      expect([spent.calls, reserved.calls]).toEqual([1, 0]);
    });
    const [error] = await many(limited, 1);
    expect(error).toMatchObject({ code: 'budget.exhausted' });
    expect(failureOf(error).retriable).toBe(false);
  });
});
