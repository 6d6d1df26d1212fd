/** Secrets planted in keys, headers, prompts, replies and errors are found nowhere in what is stored or shown. */
import { inspect } from 'node:util';
import { afterEach, describe, expect, test } from 'vitest';
import { FiducialError } from '../core/errors.ts';
import { decorate } from './decorate.ts';
import { failureOf } from './failure.ts';
import { chatChunks, chatReply, type LocalEndpoint, sendEvents, sendJson, serve } from './local-endpoint.ts';
import { memoryCache, memoryCallLog } from './memory.ts';
import type { ReplyEvent } from './model.ts';
import { functionModel } from './providers/function.ts';
import { httpTemplate } from './providers/http-template.ts';
import { anthropic, endpointSecrets, google, openai, openaiCompatible } from './providers/vendors.ts';
import { createRedactor } from './redact.ts';
import { collect, gather } from './reply.ts';
import { retry } from './retry.ts';

const key = 'planted/key+with=odd "chars" 7f3a';
const plain = 'plantedkey7f3a9c2e';
const header = 'planted-header-51bd';
const shaped = `sk-proj-${'a1B2'.repeat(8)}`;
const env = {
  OPENAI_API_KEY: plain,
  ANTHROPIC_API_KEY: plain,
  GEMINI_API_KEY: plain,
  ODD_SECRET: key,
  TEAM_TOKEN: header,
  PATH: '/usr/bin:/bin:/usr/local/bin',
  HOME: '/home/somebody',
};
const spellings = [
  key,
  plain,
  header,
  shaped,
  encodeURIComponent(key),
  Buffer.from(key).toString('base64'),
  Buffer.from(plain).toString('base64'),
];
const redactor = createRedactor({ env });

let endpoint: LocalEndpoint | undefined;
afterEach(async () => {
  await endpoint?.close();
  endpoint = undefined;
});

/** Everything that a person or a disk could see of a value: JSON, inspection with hidden properties, stacks. */
function shown(value: unknown): string {
  const seen = [JSON.stringify(value) ?? '', inspect(value, { depth: 12, showHidden: true })];
  for (let error = value; error instanceof Error; error = error.cause) {
    seen.push(String(error), error.stack ?? '', error.message);
    if (error instanceof FiducialError) seen.push(error.toText());
  }
  return seen.join('\n');
}
function expectClean(value: unknown): void {
  const text = shown(value);
  for (const secret of spellings) expect(text).not.toContain(secret);
  // JSON escapes the quotes of the odd key.
  expect(text).not.toContain(JSON.stringify(key).slice(1, -1));
}

describe('an endpoint that echoes everything it was sent', () => {
  const makers = [
    [
      'openai-compatible',
      (url: string) =>
        openaiCompatible(`${url}/v1`, 'm', { env, keyEnv: 'OPENAI_API_KEY', headers: { 'x-team': '${TEAM_TOKEN}' } }),
    ],
    ['openai', (url: string) => openai('m', { env, baseUrl: `${url}/v1`, headers: { 'x-team': '${TEAM_TOKEN}' } })],
    [
      'anthropic',
      (url: string) => anthropic('m', { env, baseUrl: `${url}/v1`, headers: { 'x-team': '${TEAM_TOKEN}' } }),
    ],
    ['google', (url: string) => google('m', { env, baseUrl: `${url}/v1beta`, headers: { 'x-team': '${TEAM_TOKEN}' } })],
    [
      'template',
      (url: string) =>
        Promise.resolve(
          httpTemplate(
            {
              name: 'bot',
              url: `${url}/chat?k={{env.ODD_SECRET}}`,
              headers: { 'x-team': '{{env.TEAM_TOKEN}}', authorization: 'Bearer {{env.OPENAI_API_KEY}}' },
              body: { m: '{{prompt}}' },
              reply: 'nothing.here',
            },
            { env },
          ),
        ),
    ],
  ] as const;
  for (const status of [200, 400, 401, 429, 500]) {
    for (const [name, make] of makers) {
      test(`${name}, in an answer with status ${status}`, async () => {
        endpoint = await serve((request, response) =>
          sendJson(
            response,
            {
              error: {
                message: `you sent ${JSON.stringify(request.headers)} ${request.path} ${request.body}`,
                code: key,
              },
            },
            status,
            { 'x-request-id': plain },
          ),
        );
        const model = await make(endpoint.url);
        const log = memoryCallLog();
        const { within } = decorate(model, { log, redactor, retry: { attempts: 2, overloadAttempts: 2, baseMs: 1 } });
        const error = await collect(within('t'), {
          messages: [{ role: 'user', content: `my key is ${key} or ${shaped}` }],
        }).catch((e: unknown) => e);
        expect(error).toBeInstanceOf(FiducialError);
        expect(endpoint.requests[0]!.body).toContain(shaped);
        expect(JSON.stringify(endpoint.requests[0]!.headers)).toContain(plain);
        expectClean(error);
        expectClean(log.calls);
        expect(JSON.stringify(log.calls)).toContain('[redacted:ODD_SECRET]');
        expectClean([model.id, model.endpoint]);
      });
    }
  }
});

test('secrets in a reply are masked before the reply is delivered, stored or cached', async () => {
  const said = `first ${key} then ${plain} and ${shaped}.`;
  endpoint = await serve((_, response) =>
    sendJson(response, {
      ...(chatReply({
        text: said,
        reasoning: said,
        call: { id: plain, name: 'send', input: JSON.stringify({ [plain]: [said] }) },
      }) as object),
      id: plain,
    }),
  );
  const model = await openaiCompatible(`${endpoint.url}/v1`, 'm', { env });
  const log = memoryCallLog();
  const stored: unknown[] = [];
  const cache = { ...memoryCache(), set: (...entry: unknown[]) => void stored.push(entry) };
  const { within } = decorate(model, { log, redactor, cache: { cache } });
  const events = await gather(
    within('t').reply({ messages: [{ role: 'user', content: 'x' }], temperature: 0 }, new AbortController().signal),
  );
  expect(events.find((event) => event.type === 'text')).toEqual({
    type: 'text',
    text: 'first [redacted:ODD_SECRET] then [redacted:OPENAI_API_KEY] and [redacted:credential].',
  });
  for (const seen of [events, log.calls, stored]) expectClean(seen);
  expect(stored).toHaveLength(1);
});

test('a secret that is spread over the pieces of a stream is not delivered in pieces', async () => {
  const said = `take ${plain} now`;
  const letters = said.split('').map((letter) => ({
    id: 'c',
    choices: [{ index: 0, delta: { content: letter }, finish_reason: null }],
  }));
  endpoint = await serve((_, response) => sendEvents(response, [...letters, ...chatChunks({}).slice(-3)]));
  const log = memoryCallLog();
  const { within } = decorate(await openaiCompatible(`${endpoint.url}/v1`, 'm'), { log, redactor });
  const events: ReplyEvent[] = [];
  for await (const event of within('t').reply(
    { messages: [{ role: 'user', content: 'x' }] },
    new AbortController().signal,
    { incremental: true },
  ))
    events.push(event);
  const text = events.map((event) => (event.type === 'text' ? event.text : '')).join('');
  expect(text).toBe('take [redacted:OPENAI_API_KEY] now');
  expect(events.filter((event) => event.type === 'text').length).toBeGreaterThan(5);
  expect(log.calls[0]?.events).toEqual(events);
});

test('nor does a secret hide across the seam of two pieces, streamed or not', () => {
  const pieces = ['take planted', 'key7f3a9c2e now'];
  for (const type of ['text', 'reasoning'] as const) {
    const events = redactor.events(pieces.map((text) => ({ type, text })));
    expect(events).toEqual([{ type, text: 'take [redacted:OPENAI_API_KEY] now' }]);
  }
});

test('log-probabilities do not spell a secret out token by token', () => {
  const tokens = ['say ', 'planted', 'key7f', '3a9c2e', ' ok'].map((token) => ({
    token,
    logprob: -1,
    alternatives: [{ token, logprob: -1 }],
  }));
  const [event] = redactor.events([{ type: 'text', text: `say ${plain} ok`, logprobs: tokens }]);
  expect(event).toMatchObject({ text: 'say [redacted:OPENAI_API_KEY] ok' });
  expect(event?.type === 'text' ? event.logprobs?.map(({ token, logprob }) => [token, logprob]) : []).toEqual([
    ['say ', -1],
    ['[redacted]', -1],
    ['[redacted]', -1],
    ['[redacted]', -1],
    [' ok', -1],
  ]);
  expect(JSON.stringify(event)).not.toMatch(/planted|7f/);
});

test('errors of a user’s own function lose what hangs on them and keep what they mean', async () => {
  const model = functionModel('f', () => {
    const cause = Object.assign(new Error(`request with ${plain} failed`), {
      config: { headers: { authorization: `Bearer ${plain}` } },
      code: 'EPIPE',
    });
    throw Object.assign(new TypeError(`no answer, key ${key}`, { cause }), { request: { key } });
  });
  const error = await collect(decorate(model, { redactor }).model, 'x').catch((e: unknown) => e);
  expectClean(error);
  expect(error).toMatchObject({
    code: 'model.failed',
    message: expect.stringContaining('TypeError: no answer, key [redacted:ODD_SECRET]') as string,
  });
  expect((error as Error).cause).toMatchObject({
    code: 'EPIPE',
    message: 'request with [redacted:OPENAI_API_KEY] failed',
  });
});

test('a secret that an error quotes only in part, where the answer was cut, is masked too', async () => {
  for (const secret of [`K-${plain}`, shaped]) {
    for (let padding = 270; padding < 300; padding += 3) {
      endpoint = await serve((_, response) =>
        sendJson(response, { error: { message: 'x'.repeat(padding) + ' ' + secret } }, 400),
      );
      const model = await openaiCompatible(`${endpoint.url}/v1`, 'm');
      const own = createRedactor({ env: { CUT_KEY: `K-${plain}` } });
      const log = memoryCallLog();
      const error = await collect(decorate(model, { redactor: own, log }).model, 'x').catch((e: unknown) => e);
      expect(shown(error) + shown(log.calls)).not.toContain(secret.slice(0, 10));
      await endpoint.close();
    }
  }
});

test('masking keeps an error’s code, hint and facts', async () => {
  endpoint = await serve((_, response) =>
    sendJson(response, { error: { message: plain } }, 429, { 'retry-after': '9' }),
  );
  const model = await openaiCompatible(`${endpoint.url}/v1`, 'm');
  const error = await collect(retry(model, { overloadAttempts: 1 }), 'x').catch((e: unknown) => e);
  const masked = redactor.error(error);
  expect(masked).toMatchObject({ code: 'endpoint.overloaded', hint: (error as FiducialError).hint });
  expect(failureOf(masked)).toEqual(failureOf(error));
  expect(failureOf(masked)).toMatchObject({ retryAfterMs: 9000, status: 429 });
});

test('what is no secret stays: short values, paths, and canaries that were planted on purpose', () => {
  const lenient = createRedactor({
    env: { ...env, TINY_KEY: 'abc', OTHER_TOKEN: 'canary-token-123' },
    exempt: [shaped, 'canary-token-123'],
  });
  const text = `abc /home/somebody ${shaped} canary-token-123 task-force risk-averse`;
  expect(lenient.text(text)).toBe(text);
  expect(lenient.text(plain)).toBe('[redacted:OPENAI_API_KEY]');
});

test('a password inside an address is masked, the address stays', () => {
  expect(redactor.text('postgres://fiducial:hunter22@db.example:5432/runs')).toBe(
    'postgres://fiducial:[redacted:credential]@db.example:5432/runs',
  );
  expect(redactor.text('http://host:8000/a@b and mail to a:b@c')).toBe('http://host:8000/a@b and mail to a:b@c');
});

test('configured headers and keys are named as secrets for the redactor', () => {
  const secrets = endpointSecrets({
    env,
    keyEnv: 'OPENAI_API_KEY',
    headers: { 'x-team': '${TEAM_TOKEN}', 'user-agent': 'us' },
  });
  expect(secrets).toEqual({ 'header x-team': header, OPENAI_API_KEY: plain });
});
