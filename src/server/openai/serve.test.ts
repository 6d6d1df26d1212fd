/**
 * The endpoint over HTTP, with real models behind it and real clients before it: the AI SDK's provider for
 * OpenAI-compatible servers, and requests written by hand, hostile ones among them.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { embed, generateText, jsonSchema, stepCountIs, streamText, tool } from 'ai';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { writeChainModel, writeRandomModel } from '../../../test/small-model.ts';
import { openaiCompatible, collect, type Model, scriptedModel } from '../../models/index.ts';
import { openModel, openModelInWorker, type OpenModel, type WorkerModel } from '../../models/open/index.ts';
import { readKeys } from './keys.ts';
import { type ModelServer, serveModels } from './serve.ts';

let folder: string;
let chain: OpenModel;
let noise: WorkerModel;
let server: ModelServer;
const failures: unknown[] = [];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fiducial-serve-'));
  const call = ['<tool_call>', '{"name": "weather", ', '"arguments": {"city": "Paris"}}', '</tool_call>', '<|im_end|>'];
  await writeChainModel(join(folder, 'chain'), [
    ['\n', 'Let me look. ', ...call],
    ['<|answer|>', '<think>', 'hm', '</think>', 'It is warm', ' in Paris.', '<|endoftext|>'],
  ]);
  await writeRandomModel(join(folder, 'noise'));
  chain = await openModel(join(folder, 'chain'));
  noise = await openModelInWorker(join(folder, 'noise'));
  server = await serveModels(
    { chain, noise, canned: scriptedModel(['from a script'], { after: 'repeat-last' }) },
    { port: 0, limits: { maxBodyBytes: 100_000, maxTokens: 200 }, onError: (error) => failures.push(error) },
  );
}, 60_000);
afterAll(async () => {
  await server.close();
  await Promise.all([chain.close(), noise.close()]);
  await rm(folder, { recursive: true });
});

const post = (path: string, body: unknown, at = server, init: RequestInit = {}) =>
  fetch(`${at.url}${path}`, {
    method: 'POST',
    body: typeof body === 'string' ? body : JSON.stringify(body),
    ...init,
    headers: { 'content-type': 'application/json', ...(init.headers as Record<string, string> | undefined) },
  });
const messages = [{ role: 'user', content: 'hi' }];
interface Completion {
  readonly choices: readonly {
    readonly text?: string;
    readonly message?: Readonly<Record<string, unknown>>;
    readonly delta?: Readonly<Record<string, unknown>>;
    readonly finish_reason: string | null;
    readonly logprobs: Readonly<Record<string, readonly unknown[]>> | null;
  }[];
  readonly usage?: Readonly<Record<string, unknown>>;
}
const completion = async (path: string, body: object) => (await (await post(path, body)).json()) as Completion;
const errorOf = async (response: Response) =>
  [
    response.status,
    ((await response.json()) as { error: { code: string | null; param: string | null } }).error,
  ] as const;
const events = async (response: Response) =>
  (await response.text())
    .split('\n\n')
    .filter((line) => line !== '')
    .map((line) => line.replace(/^data: /, ''));

describe('the AI SDK’s provider', () => {
  const provider = () => createOpenAICompatible({ name: 'local', baseURL: server.url, includeUsage: true });
  test('takes a tool through', async () => {
    const result = await generateText({
      model: provider()('chain'),
      prompt: 'Weather?',
      temperature: 0,
      tools: {
        weather: tool({
          inputSchema: jsonSchema<{ city: string }>({ type: 'object' }),
          execute: ({ city }) => `20 degrees in ${city}`,
        }),
      },
      stopWhen: stepCountIs(3),
    });
    expect(result.text).toBe('It is warm in Paris.');
    expect(result.reasoningText).toBe('hm');
    expect(result.steps.map(({ finishReason }) => finishReason)).toEqual(['tool-calls', 'stop']);
    expect(result.totalUsage.outputTokens).toBeGreaterThan(8);
  });
  test('streams what it generates whole', async () => {
    const settings = { model: provider()('noise'), prompt: 'hi', temperature: 0, maxOutputTokens: 9 };
    const streamed = streamText(settings);
    let text = '';
    for await (const piece of streamed.textStream) text += piece;
    expect(text).toBe((await generateText(settings)).text);
    expect(await streamed.usage).toMatchObject({ outputTokens: 9 });
    expect(await streamed.finishReason).toBe('length');
  });
  test('embeds', async () => {
    const { embedding, usage } = await embed({ model: provider().textEmbeddingModel('noise'), value: 'abc' });
    expect([embedding.length, usage.tokens]).toEqual([32, 3]);
    const body = (await (
      await post('/embeddings', { model: 'noise', input: 'abc', encoding_format: 'base64' })
    ).json()) as {
      data: { embedding: string }[];
    };
    const bytes = Buffer.from(body.data[0]!.embedding, 'base64');
    expect(bytes.readFloatLE(4)).toBeCloseTo(embedding[1]!, 6);
  });
});

describe('a request', () => {
  test('is answered by any model, and lists them', async () => {
    const models = (await (await fetch(`${server.url}/models`)).json()) as { data: { id: string }[] };
    expect(models.data.map(({ id }) => id)).toEqual(['chain', 'noise', 'canned']);
    expect((await fetch(`${server.url}/models/canned`)).status).toBe(200);
    const { choices } = await completion('/chat/completions', { model: 'canned', messages });
    expect(choices[0]!.message!['content']).toBe('from a script');
  });
  test('for log-probabilities gets as many as tokens', async () => {
    const body = { model: 'noise', messages, temperature: 0, max_tokens: 5, logprobs: true, top_logprobs: 2, seed: 1 };
    const { choices, usage } = await completion('/chat/completions', body);
    const tokens = choices[0]!.logprobs!['content'] as { logprob: number; top_logprobs: { logprob: number }[] }[];
    expect(tokens).toHaveLength(5);
    for (const { logprob, top_logprobs: top } of tokens) expect(top[0]!.logprob).toBeCloseTo(logprob, 5);
    expect(usage).toMatchObject({ completion_tokens: 5 });
    const chunks = (
      await events(await post('/chat/completions', { ...body, stream: true, stream_options: { include_usage: true } }))
    ).slice(0, -1);
    const parsed = chunks.map((chunk) => JSON.parse(chunk) as Completion);
    const streamed = parsed.flatMap(
      (chunk) => (chunk.choices[0]?.logprobs?.['content'] ?? []) as { logprob: number }[],
    );
    expect(streamed).toHaveLength(5);
    // The second reply finds the prompt computed: the last bits may differ.
    streamed.forEach(({ logprob }, i) => expect(logprob).toBeCloseTo(tokens[i]!.logprob, 4));
    expect(parsed.at(-1)).toMatchObject({ choices: [], usage: { completion_tokens: 5 } });
  });
  test('for a raw completion goes on with the text, and scores it with echo', async () => {
    const body = { model: 'noise', prompt: 'abc', temperature: 0, max_tokens: 4, logprobs: 1 };
    const plain = await completion('/completions', body);
    const echoed = await completion('/completions', { ...body, echo: true });
    expect(echoed.choices[0]!.text).toBe(`abc${plain.choices[0]!.text}`);
    const { token_logprobs: scores, text_offset: offsets } = echoed.choices[0]!.logprobs!;
    expect(scores).toHaveLength(7);
    expect([scores![0], offsets!.slice(0, 4)]).toEqual([null, [0, 1, 2, 3]]);
    const [, error] = await errorOf(await post('/completions', { model: 'canned', prompt: 'x' }));
    expect(error.param).toBe('model');
  });
  test('may begin the reply', async () => {
    const begun = [...messages, { role: 'assistant', content: 'It is warm' }];
    const { choices } = await completion('/chat/completions', {
      model: 'chain',
      messages: begun,
      temperature: 0,
      continue_final_message: true,
    });
    expect(choices[0]!.message!['content']).toBe(' in Paris.');
  });

  const refused: [name: string, body: unknown, status: number, code: string | null, param: string | null][] = [
    ['for two replies', { messages, n: 2 }, 400, null, 'n'],
    ['with a penalty', { messages, presence_penalty: 1 }, 400, null, 'presence_penalty'],
    ['that forces a tool', { messages, tool_choice: 'required' }, 400, null, 'tool_choice'],
    ['for a schema', { messages, response_format: { type: 'json_object' } }, 400, 'model.unsupported', null],
    [
      'past the context',
      { messages: [{ role: 'user', content: 'x'.repeat(400) }] },
      400,
      'context_length_exceeded',
      'messages',
    ],
    [
      'with a picture elsewhere',
      { messages: [{ role: 'user', content: [{ type: 'image_url', image_url: { url: 'http://x/y.png' } }] }] },
      400,
      null,
      'messages',
    ],
    ['for another model', { messages, model: 'gpt' }, 404, 'model_not_found', 'model'],
    [
      'that is too large',
      { messages: [{ role: 'user', content: 'x'.repeat(200_000) }] },
      413,
      'request_too_large',
      null,
    ],
    ['that is no JSON', '{', 400, 'invalid_json', null],
    ['without messages', {}, 400, null, 'messages'],
  ];
  test.each(refused)('%s is refused', async (_, body, status, code, param) => {
    const whole = typeof body === 'string' ? body : { model: 'noise', ...(body as object) };
    for (const stream of [false, true]) {
      const sent = typeof whole === 'string' ? whole : { ...whole, stream };
      expect(await errorOf(await post('/chat/completions', sent))).toMatchObject([status, { code, param }]);
    }
  });
  test('in chunks, without a length, is read, and refused by its size', async () => {
    const chunked = (text: string) =>
      post('/chat/completions', '', server, { body: new Blob([text]).stream(), duplex: 'half' });
    const ask = { model: 'canned', messages };
    expect((await chunked(JSON.stringify(ask))).status).toBe(200);
    expect((await chunked(JSON.stringify({ ...ask, user: 'x'.repeat(200_000) }))).status).toBe(413);
  });
  test('from a page in a browser is refused', async () => {
    const body = JSON.stringify({ model: 'canned', messages });
    expect((await post('/chat/completions', body, server, { headers: { 'content-type': 'text/plain' } })).status).toBe(
      415,
    );
    const rebound = await raw(
      `GET /v1/models HTTP/1.1\r\nHost: evil.example:${server.port}\r\nConnection: close\r\n\r\n`,
    );
    expect(rebound).toMatch(/^HTTP\/1.1 403/);
  });
});

/** What the server answers to bytes. */
function raw(bytes: string): Promise<string> {
  return new Promise((resolve) => {
    let answer = '';
    const socket = connect(server.port, '127.0.0.1', () => socket.write(bytes, 'latin1'));
    socket.setTimeout(300, () => socket.destroy());
    socket.on('data', (data) => (answer += data.toString('latin1')));
    socket.on('error', () => socket.destroy());
    socket.on('close', () => resolve(answer));
  });
}

test('1,000 hostile requests leave it running', { timeout: 120_000 }, async () => {
  const json = fc.jsonValue({ maxDepth: 4 });
  const near = fc.record(
    {
      model: fc.constantFrom('chain', 'canned', 7),
      messages: fc.oneof(
        fc.array(fc.record({ role: fc.constantFrom('user', 'tool', 'king'), content: fc.oneof(fc.string(), json) }), {
          maxLength: 3,
        }),
        json,
      ),
      temperature: fc.oneof(fc.double(), json),
      max_tokens: fc.oneof(fc.integer({ max: 3 }), json),
      stop: json,
      tools: json,
      stream: fc.oneof(fc.boolean(), json),
      prompt: json,
      input: json,
    },
    { requiredKeys: [] },
  );
  const deep = `${'['.repeat(40_000)}${']'.repeat(40_000)}`;
  const bodies = [
    ...fc.sample(near, 500).map((body) => JSON.stringify(body)),
    ...fc.sample(json, 200).map((body) => JSON.stringify(body)),
    ...fc.sample(fc.string({ unit: 'binary', maxLength: 200 }), 196),
    deep,
    `{"messages":${deep}}`,
    `{"model":"canned","messages":[{"role":"user","content":"x"}],"tools":[{"type":"function","function":{"name":"t","parameters":${deep}}}]}`,
    '{"__proto__":{"model":"canned"},"messages":[]}',
  ];
  const paths = ['/chat/completions', '/completions', '/embeddings'];
  const statuses = new Set<number>();
  for (let i = 0; i < bodies.length; i += 20) {
    const batch = bodies.slice(i, i + 20).map(async (body, j) => {
      const response = await post(paths[(i + j) % 3]!, body);
      await response.arrayBuffer();
      statuses.add(response.status);
    });
    await Promise.all(batch);
  }
  const lines = [
    '\0\0\0\0',
    'GET / HTTP/9.9\r\n\r\n',
    `POST /v1/chat/completions HTTP/1.1\r\nContent-Length: -1\r\n\r\n`,
    'GET /%ff%00 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n',
    `GET /v1/models/%E0%A4%A HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`,
  ];
  await Promise.all(Array.from({ length: 100 }, (_, i) => raw(lines[i % lines.length]!)));
  expect([...statuses].filter((status) => status >= 500)).toEqual([]);
  expect(failures).toEqual([]);
  expect(server.load).toEqual({ running: 0, queued: 0 });
  expect((await completion('/chat/completions', { model: 'canned', messages })).choices).toHaveLength(1);
});

describe('limits', () => {
  /** A model that answers when it is told to. */
  function gated(): { model: Model; open: () => void; asked: () => number; aborted: () => number } {
    let open = (): void => {};
    const gate = new Promise<void>((resolve) => (open = resolve));
    let [asked, aborted] = [0, 0];
    const inner = scriptedModel(['done'], { id: 'gated', after: 'repeat-last' });
    const model: Model = {
      id: 'gated',
      capabilities: inner.capabilities,
      async *reply(ask, signal) {
        asked++;
        yield { type: 'text', text: 'so ' };
        await new Promise<void>((resolve, reject) => {
          signal.addEventListener('abort', () => {
            aborted++;
            reject(signal.reason as Error);
          });
          void gate.then(resolve);
        });
        yield* inner.reply(ask, signal);
      },
    };
    return { model, open, asked: () => asked, aborted: () => aborted };
  }
  const until = async (isTrue: () => boolean) => {
    while (!isTrue()) await new Promise((resolve) => setTimeout(resolve, 5));
  };

  test('what does not fit the queue is told when to come back; a client that leaves frees its place', async () => {
    const { model, open, asked, aborted } = gated();
    const small = await serveModels([model], { port: 0, limits: { maxConcurrency: 1, maxQueue: 1 } });
    const control = new AbortController();
    const first = await post('/chat/completions', { messages, stream: true }, small, { signal: control.signal });
    const second = post('/chat/completions', { messages }, small);
    await until(() => small.load.queued === 1);
    const third = await post('/chat/completions', { messages }, small);
    expect(third.status).toBe(429);
    expect(Number(third.headers.get('retry-after'))).toBeGreaterThanOrEqual(1);
    expect(asked()).toBe(1);
    const reading = first.text().catch(() => 'left');
    control.abort();
    await until(() => aborted() === 1 && asked() === 2);
    expect(await reading).toBe('left');
    open();
    expect((await second).status).toBe(200);
    await small.close();
  });
  test('closing lets what runs end and takes nothing new', async () => {
    const { model, open, asked } = gated();
    const closing = await serveModels([model], { port: 0 });
    const running = post('/chat/completions', { messages }, closing);
    await until(() => asked() === 1);
    const closed = closing.close();
    await expect(post('/chat/completions', { messages }, closing).then(({ status }) => status)).rejects.toThrow();
    open();
    expect((await running).status).toBe(200);
    await closed;
    const stuck = gated();
    const stubborn = await serveModels([stuck.model], { port: 0 });
    const cut = post('/chat/completions', { messages }, stubborn);
    await until(() => stuck.asked() === 1);
    await stubborn.close(10);
    expect((await cut).status).toBe(503);
  });
  test('prompts longer than the server takes are refused by the model’s own count', async () => {
    const strict = await serveModels({ noise }, { port: 0, limits: { maxPromptTokens: 30 } });
    expect((await post('/chat/completions', { messages, max_tokens: 1 }, strict)).status).toBe(200);
    const long = [{ role: 'user', content: 'x'.repeat(40) }];
    expect((await errorOf(await post('/chat/completions', { messages: long }, strict)))[1].code).toBe(
      'context_length_exceeded',
    );
    await strict.close();
  });
});

describe('keys', () => {
  const key = 'k'.repeat(32);
  test('are read from file and environment, and short ones refused', async () => {
    const file = join(folder, 'keys');
    await writeFile(file, `# ours\n${key}\n\n${'m'.repeat(16)}\n`);
    expect(await readKeys(file, { FIDUCIAL_SERVER_KEYS: 'n'.repeat(20) })).toEqual([
      'n'.repeat(20),
      key,
      'm'.repeat(16),
    ]);
    await writeFile(file, 'short');
    await expect(readKeys(file, {})).rejects.toMatchObject({ code: 'server.key' });
    await expect(readKeys(join(folder, 'none'), {})).rejects.toMatchObject({ code: 'server.key' });
  });
  test('are asked for where they are set, and needed where others can ask', async () => {
    const canned = scriptedModel(['yes'], { after: 'repeat-last' });
    await expect(serveModels([canned], { host: '0.0.0.0', port: 0 })).rejects.toMatchObject({ code: 'server.no-key' });
    const locked = await serveModels([canned], { port: 0, keys: [key, `${key}2`] });
    const status = async (given?: string) =>
      (
        await post(
          '/chat/completions',
          { messages },
          locked,
          given === undefined ? {} : { headers: { authorization: given } },
        )
      ).status;
    expect([await status(), await status(`Bearer ${key}x`), await status(key), await status('Bearer ')]).toEqual([
      401, 401, 401, 401,
    ]);
    expect([await status(`Bearer ${key}`), await status(`bearer ${key}2`)]).toEqual([200, 200]);
    expect((await fetch(locked.url.replace('/v1', '/healthz'))).status).toBe(200);
    await locked.close();
  });
});

test('this project’s own client speaks with it', async () => {
  const client = await openaiCompatible(server.url, 'noise', { capabilities: { logprobs: true, seed: true } });
  const ask = {
    messages: [{ role: 'user' as const, content: 'hi' }],
    temperature: 1,
    seed: 3,
    maxTokens: 6,
    logprobs: 2,
  };
  const [there, here] = [await collect(client, ask), await collect(noise, ask)];
  expect([there.text, there.ended, there.usage.outputTokens]).toEqual([here.text, here.ended, here.usage.outputTokens]);
  // The second reply finds the prompt computed: the last bits may differ.
  there.logprobs!.forEach(({ token, logprob }, i) => {
    expect(token).toBe(here.logprobs![i]!.token);
    expect(logprob).toBeCloseTo(here.logprobs![i]!.logprob, 4);
  });
});
