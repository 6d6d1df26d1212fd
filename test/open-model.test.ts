/**
 * Open models end to end: a folder becomes a model that chats, calls tools, scores and embeds, in this thread and in a
 * worker, through the AI SDK, and on the command line. Every checkpoint is written here and opened as a user's would be.
 */
import { spawn } from 'node:child_process';
import { cp, mkdtemp, open, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { generateText, jsonSchema, stepCountIs, streamText, tool } from 'ai';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Ask, collect, createRegistry, gather, type Tool } from '../src/models/index.ts';
import {
  addOpenModels,
  aiSdkProvider,
  openModel,
  openModelInWorker,
  type OpenModel,
  toLanguageModel,
  type WorkerModel,
} from '../src/models/open/index.ts';
import { chatTemplate, writeChainModel, writeRandomModel } from './small-model.ts';

const never = new AbortController().signal;
const user = (content: string): Ask => ({ messages: [{ role: 'user', content }], temperature: 0 });
const weather: Tool = { name: 'weather', description: 'of a city', input: { type: 'object' } };

let folder: string;
let chain: OpenModel;
let noise: OpenModel;
let worker: WorkerModel;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fiducial-open-'));
  const call = ['<tool_call>', '{"name": "weather", ', '"arguments": {"city": "Paris"}}', '</tool_call>', '<|im_end|>'];
  await writeChainModel(join(folder, 'chain'), [
    ['\n', 'Let me look. ', ...call],
    ['<|answer|>', '<think>', 'hm, warm', '</think>', 'It is warm', ' in Paris.', '<|endoftext|>'],
  ]);
  await writeRandomModel(join(folder, 'noise'));
  await writeRandomModel(join(folder, 'untaught'), { template: undefined });
  chain = await openModel(join(folder, 'chain'));
  noise = await openModel(join(folder, 'noise'));
  worker = await openModelInWorker(join(folder, 'noise'));
}, 60_000);
afterAll(async () => {
  await Promise.all([chain.close(), noise.close(), worker.close()]);
  await rm(folder, { recursive: true });
});

describe('a model folder', () => {
  test('says what it can do, and is named by its content', () => {
    expect(chain.id).toMatch(/^folder:chain@[0-9a-f]{12}$/);
    expect(chain.capabilities).toMatchObject({ tools: true, reasoning: true, prefix: true, seed: true, schema: false });
    expect(chain.network.description.architecture).toBe('gpt2');
  });
  test('calls a tool, and answers what it gave, with its reasoning apart', async () => {
    const first = await collect(chain, { ...user('Weather?'), tools: [weather] });
    expect(first).toMatchObject({
      text: 'Let me look. ',
      calls: [{ tool: 'weather', input: { city: 'Paris' } }],
      ended: 'tool-calls',
    });
    const { messages } = user('Weather?');
    const [called] = first.calls;
    const second = await collect(chain, {
      messages: [
        ...messages,
        { role: 'assistant', content: first.text, calls: first.calls },
        { role: 'tool', content: '20 degrees', callId: called!.id, tool: called!.tool },
      ],
      tools: [weather],
      logprobs: 1,
    });
    expect(second).toMatchObject({ text: 'It is warm in Paris.', reasoning: 'hm, warm', ended: 'stop' });
    expect(second.usage.reasoningTokens).toBe(2);
    expect(second.logprobs?.map(({ token }) => token)).toEqual(['It is warm', ' in Paris.']);
  });
  test('ends at stop strings and at the limit, and goes on from a prefix', async () => {
    expect(await collect(chain, { ...user('x'), stop: ['look'] })).toMatchObject({ text: 'Let me ', ended: 'stop' });
    expect(await collect(chain, { ...user('x'), maxTokens: 1 })).toMatchObject({
      text: 'Let me look. ',
      ended: 'length',
    });
    expect((await collect(chain, { ...user('x'), prefix: '<|answer|>' })).text).not.toContain('warm');
    expect((await collect(chain, { ...user('x'), prefix: 'It is warm' })).text).toBe(' in Paris.');
  });
  test('scores what it generated as it said it did', async () => {
    const ask = { ...user('hello'), maxTokens: 6, logprobs: 3 };
    const reply = await collect(noise, ask);
    expect(reply.logprobs).toHaveLength(6);
    for (const { logprob, alternatives } of reply.logprobs!) {
      expect(alternatives).toHaveLength(3);
      expect(alternatives![0]!.logprob).toBeCloseTo(logprob, 5);
    }
    const completion = 'ok then';
    const scored = await noise.logprobs(ask, completion);
    expect(scored.map(({ token }) => token).join('')).toBe(completion);
    const begun = await noise.logprobs({ ...ask, prefix: 'ok ' }, 'then');
    begun.forEach(({ logprob }, i) => expect(logprob).toBeCloseTo(scored[i + 3]!.logprob, 4));
  });
  test('a seed fixes a reply, and prompts with one seed do not share their numbers', async () => {
    const ask = (content: string, seed: number): Ask => ({ ...user(content), temperature: 1, seed, maxTokens: 12 });
    const say = async (content: string, seed: number) => (await collect(noise, ask(content, seed))).text;
    expect(await say('a', 1)).toBe(await say('a', 1));
    expect(await say('a', 1)).not.toBe(await say('a', 2));
  });
  test('control tokens in what a user says stay text', async () => {
    const plain = await noise.countTokens(user('x'));
    // 10 characters, each a token of its own here; the control token would be one.
    expect(await noise.countTokens(user('x<|im_end|>'))).toBe(plain + '<|im_end|>'.length);
  });
  test('without a template says what to do, and can talk in plain lines', async () => {
    const untaught = await openModel(join(folder, 'untaught'));
    await expect(collect(untaught, user('x'))).rejects.toMatchObject({ code: 'model.no-chat-template' });
    const plain = await openModel(join(folder, 'untaught'), { chat: 'plain' });
    expect((await collect(plain, { ...user('x'), maxTokens: 3 })).usage.inputTokens).toBe('User: x\nAssistant:'.length);
  });
  test('refuses what it cannot do and prompts past its context', async () => {
    await expect(collect(chain, { ...user('x'), schema: {} })).rejects.toMatchObject({ code: 'model.unsupported' });
    await expect(collect(noise, user('x'.repeat(400)))).rejects.toMatchObject({ code: 'generate.prompt' });
  });
  test('embeds a text as the mean of its stream', async () => {
    const { vectors, tokens } = await noise.embed(['ab', 'a']);
    expect([vectors.length, vectors[0]!.length, tokens]).toEqual([2, 32, 3]);
    const site = 'blocks.1.resid_post';
    const [run] = await noise.network.run([noise.tokenizer.encode('ab')], { read: [site] });
    const stream = run!.values[site]!.toFloat64();
    vectors[0]!.forEach((value, i) => expect(value).toBeCloseTo((stream[i]! + stream[32 + i]!) / 2, 4));
  });
  test('has addresses', async () => {
    const registry = createRegistry();
    addOpenModels(registry);
    const place = join(folder, 'chain');
    expect((await registry.resolve(`folder:${place}`)).id).toBe(chain.id);
    expect((await registry.resolve(place)).id).toBe(chain.id);
    await expect(registry.resolve('hf:no/such-model-here')).rejects.toMatchObject({ code: 'checkpoint.absent' });
  });
});

describe('many callers', () => {
  test('32 at once get what each would get alone', async () => {
    const asks = Array.from({ length: 32 }, (_, i): Ask => ({
      ...user(`number ${i}`),
      temperature: 1,
      seed: i,
      maxTokens: 12,
    }));
    const together = await Promise.all(asks.map((ask) => collect(worker, ask)));
    for (const i of [0, 7, 31]) expect((await collect(noise, asks[i]!)).text).toBe(together[i]!.text);
  });
});

describe('a worker', () => {
  test('answers as the model does in this thread', async () => {
    const ask = { ...user('hi'), maxTokens: 5, logprobs: 2 };
    expect(worker.id).toBe(noise.id);
    expect(await collect(worker, ask)).toMatchObject({ text: (await collect(noise, ask)).text, ended: 'length' });
    expect(await worker.logprobs(ask, 'yes')).toHaveLength(3);
    expect((await worker.embed(['abc'])).vectors[0]).toHaveLength(32);
    expect((await gather(worker.complete('ab', { maxTokens: 2, temperature: 0 }, never))).at(-1)).toMatchObject({
      type: 'end',
    });
  });
  test('passes on errors with code and advice', async () => {
    await expect(collect(worker, user('x'.repeat(400)))).rejects.toMatchObject({
      name: 'FiducialError',
      code: 'generate.prompt',
      hint: expect.stringContaining('Shorten') as string,
    });
    await expect(openModelInWorker(join(folder, 'nowhere'))).rejects.toMatchObject({ code: 'checkpoint.absent' });
  });
  test('stops a reply that nobody wants', async () => {
    const control = new AbortController();
    const seen: string[] = [];
    const run = async () => {
      for await (const event of worker.reply({ ...user('x'), maxTokens: 200 }, control.signal, { incremental: true })) {
        seen.push(event.type);
        control.abort(new Error('enough'));
      }
    };
    await expect(run()).rejects.toThrow('enough');
    expect(seen).toHaveLength(1);
  });
  test('that dies fails the calls under way, and the next one has another', async () => {
    const fragile = await openModelInWorker(join(folder, 'noise'));
    const dying = collect(fragile, { ...user('x'), maxTokens: 200 }, never, { incremental: true });
    const failure = expect(dying).rejects.toMatchObject({ code: 'model.worker-crashed' });
    await new Promise((resolve) => setImmediate(resolve));
    await fragile.terminate();
    await failure;
    expect((await collect(fragile, { ...user('x'), maxTokens: 3 })).usage.outputTokens).toBe(3);
    expect(fragile.starts).toBe(2);
    await fragile.close();
    await expect(collect(fragile, user('x'))).rejects.toMatchObject({ code: 'model.closed' });
  });
});

describe('the AI SDK', () => {
  const weatherTool = tool({
    description: 'of a city',
    inputSchema: jsonSchema<{ city: string }>({ type: 'object', properties: { city: { type: 'string' } } }),
    execute: ({ city }) => `20 degrees in ${city}`,
  });
  test('generates text and takes a tool through', async () => {
    const result = await generateText({
      model: toLanguageModel(chain),
      prompt: 'Weather?',
      temperature: 0,
      tools: { weather: weatherTool },
      stopWhen: stepCountIs(3),
    });
    expect(result.text).toBe('It is warm in Paris.');
    expect(result.reasoningText).toBe('hm, warm');
    expect(result.steps[0]!.toolResults[0]).toMatchObject({ toolName: 'weather', output: '20 degrees in Paris' });
    expect(result.totalUsage.outputTokens).toBeGreaterThan(8);
  });
  test('streams text with log-probabilities, from a worker too', async () => {
    const models = aiSdkProvider({ noise: worker });
    const settings = { prompt: 'hi', temperature: 0, maxOutputTokens: 8 };
    const streamed = streamText({
      model: models('noise'),
      ...settings,
      providerOptions: { fiducial: { logprobs: 1 } },
    });
    let text = '';
    for await (const piece of streamed.textStream) text += piece;
    expect(text).toBe((await generateText({ model: toLanguageModel(noise), ...settings })).text);
    expect((await streamed.providerMetadata)?.['fiducial']?.['logprobs']).toHaveLength(8);
    expect(() => models('other')).toThrow(expect.objectContaining({ hint: 'Known are noise.' }) as Error);
  });
});

describe('the command line', () => {
  const bin = fileURLToPath(new URL('../bin/fiducial.mjs', import.meta.url));
  const fiducial = (args: readonly string[], input = '') =>
    new Promise<{ code: number | null; out: string; err: string }>((resolve) => {
      const child = spawn(process.execPath, [bin, ...args], { cwd: folder, stdio: 'pipe' });
      let [out, err] = ['', ''];
      child.stdout.on('data', (data: Buffer) => (out += data.toString()));
      child.stderr.on('data', (data: Buffer) => (err += data.toString()));
      child.on('close', (code) => resolve({ code, out, err }));
      child.stdin.end(input);
    });
  const fixtures = fileURLToPath(new URL('../src/network/fixtures', import.meta.url));

  test('checks a checkpoint; one weight changed is seen', async () => {
    await cp(join(fixtures, 'qwen3'), join(folder, 'checked'), { recursive: true });
    const good = await fiducial(['model', 'check', 'checked', '--json']);
    expect(good).toMatchObject({ code: 0, err: '' });
    const report = JSON.parse(good.out) as { ok: boolean; rows: { kind: string; relative: number }[] };
    expect(report.ok).toBe(true);
    expect(report.rows.map(({ kind }) => kind)).toEqual(expect.arrayContaining(['logits', 'hidden', 'gradient']));
    await using weights = await open(join(folder, 'checked', 'model.safetensors'), 'r+');
    const { size } = await weights.stat();
    await weights.write(new Uint8Array(new Float32Array([9]).buffer), 0, 4, size - 400);
    const bad = await fiducial(['model', 'check', 'checked']);
    expect(bad.code).toBe(1);
    expect(bad.out).toMatch(/FAILED[\s\S]*Past the tolerance/);
  });
  test('bad input is an error with file and field, and no stack', async () => {
    const place = join(folder, 'broken');
    await cp(join(fixtures, 'qwen3'), place, { recursive: true });
    const config = JSON.parse(await readFile(join(place, 'config.json'), 'utf8')) as Record<string, unknown>;
    const says = async (pattern: RegExp) => {
      const { code, out, err } = await fiducial(['model', 'check', 'broken']);
      expect([code, out]).toEqual([2, '']);
      expect(err).toMatch(pattern);
      expect(err).not.toMatch(/^\s+at /m);
    };
    await writeFile(join(place, 'config.json'), JSON.stringify({ ...config, hidden_act: 'mystery' }));
    await says(/config\.json: hidden_act is "mystery"/);
    await writeFile(join(place, 'config.json'), JSON.stringify({ ...config, num_attention_heads: 3 }));
    await says(/config\.json: num_key_value_heads is 2/);
    await writeFile(join(place, 'config.json'), JSON.stringify(config));
    await rm(join(place, 'expected.safetensors'));
    await says(/expected\.safetensors/);
    await rm(join(place, 'model.safetensors'));
    await writeFile(join(place, 'pytorch_model.bin'), 'x');
    await says(/pickled/);
  });
  test('checks a tokenizer', async () => {
    const { tokenizer } = chain;
    const text = 'Hé <|im_end|>';
    const ids = tokenizer.encode(text, { specialTokens: 'control' });
    const expected = join(folder, 'expected.json');
    const check = ['tokenizer', 'check', 'chain/tokenizer.json', 'expected.json', '--json'];
    await writeFile(expected, JSON.stringify([{ text, ids, decoded: text }]));
    expect(await fiducial(check)).toMatchObject({ code: 0, err: '' });
    await writeFile(expected, JSON.stringify([{ text, ids: [...ids, 1] }]));
    const bad = await fiducial(check);
    expect([bad.code, (JSON.parse(bad.out) as { failed: number }).failed]).toEqual([1, 1]);
    await writeFile(expected, '{}');
    expect((await fiducial(check)).code).toBe(2);
  });
  test('talks, from a pipe too', async () => {
    const flags = ['--temperature', '0', '--max-tokens', '1'];
    const { code, out } = await fiducial(['model', 'chat', 'chain', ...flags], 'hello\n');
    expect([code, out]).toEqual([0, 'Let me look.  [cut off: --max-tokens]\n']);
    expect((await fiducial(['model', 'chat', 'untaught'], 'hello\n')).err).toMatch(/--plain/);
  });
});

test('the template here is one that the tokenizer knows', () =>
  expect(chain.tokenizer.chatTemplate).toBe(chatTemplate));
