/** The vendors' real SDKs against local servers that speak their wire formats, whole and streamed. */
import { afterEach, describe, expect, test } from 'vitest';
import {
  anthropicEvents,
  anthropicReply,
  chatChunks,
  chatReply,
  googleChunks,
  googleReply,
  type LocalEndpoint,
  type LocalRequest,
  sendEvents,
  sendJson,
  serve,
  type WireReply,
} from '../local-endpoint.ts';
import type { Ask, Model } from '../model.ts';
import { collect, foldReply, gather } from '../reply.ts';
import { anthropic, google, openai, openaiCompatible } from './vendors.ts';

let endpoint: LocalEndpoint | undefined;
afterEach(async () => {
  await endpoint?.close();
  endpoint = undefined;
});

const env = {
  OPENAI_API_KEY: 'planted-openai-key',
  ANTHROPIC_API_KEY: 'planted-anthropic-key',
  GEMINI_API_KEY: 'planted-google-key',
};
const ask: Ask = { messages: [{ role: 'user', content: 'Say hello.' }] };
const tool = {
  name: 'weather',
  description: 'The weather in a city',
  input: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
};
const call = { id: 'call-1', name: 'weather', input: '{"city":"Oslo"}' };
const logprobs = [
  {
    token: 'Hello',
    logprob: -0.25,
    top_logprobs: [
      { token: 'Hello', logprob: -0.25 },
      { token: 'Hi', logprob: -1.5 },
    ],
  },
  { token: ' there', logprob: -0.5, top_logprobs: [{ token: ' there', logprob: -0.5 }] },
];

interface Vendor {
  readonly name: string;
  make(url: string): Promise<Model>;
  isStream(request: LocalRequest): boolean;
  whole(reply: WireReply): unknown;
  events(reply: WireReply): readonly (string | object | readonly [string, object])[];
  key(request: LocalRequest): unknown;
}
const vendors: readonly Vendor[] = [
  {
    name: 'openai-compatible',
    make: (url) => openaiCompatible(`${url}/v1`, 'm', { env, keyEnv: 'OPENAI_API_KEY' }),
    isStream: ({ json }) => json?.['stream'] === true,
    whole: chatReply,
    events: chatChunks,
    key: ({ headers }) => headers.authorization,
  },
  {
    name: 'openai',
    make: (url) => openai('m', { env, baseUrl: `${url}/v1` }),
    isStream: ({ json }) => json?.['stream'] === true,
    whole: chatReply,
    events: chatChunks,
    key: ({ headers }) => headers.authorization,
  },
  {
    name: 'anthropic',
    make: (url) => anthropic('m', { env, baseUrl: `${url}/v1` }),
    isStream: ({ json }) => json?.['stream'] === true,
    whole: anthropicReply,
    events: anthropicEvents,
    key: ({ headers }) => headers['x-api-key'],
  },
  {
    name: 'google',
    make: (url) => google('m', { env, baseUrl: `${url}/v1beta` }),
    isStream: ({ path }) => path.includes('stream'),
    whole: googleReply,
    events: googleChunks,
    key: ({ headers }) => headers['x-goog-api-key'],
  },
];

for (const vendor of vendors) {
  describe(vendor.name, () => {
    const start = async (reply: WireReply) => {
      endpoint = await serve((request, response) =>
        vendor.isStream(request)
          ? sendEvents(response, vendor.events(reply))
          : sendJson(response, vendor.whole(reply), 200, { 'x-request-id': 'req-1' }),
      );
      return vendor.make(endpoint.url);
    };
    for (const incremental of [false, true]) {
      const way = incremental ? 'streamed' : 'whole';
      test(`text, usage and names, ${way}`, async () => {
        const model = await start({ text: 'Hello there, you.' });
        const events = await gather(model.reply(ask, new AbortController().signal, { incremental }));
        const reply = foldReply(events);
        expect(reply.text).toBe('Hello there, you.');
        expect(reply.ended).toBe('stop');
        expect(reply.usage).toEqual({ inputTokens: 7, outputTokens: 5 });
        expect(reply.modelId ?? 'wire-model').toBe('wire-model');
        expect(events.filter((event) => event.type === 'text').length).toBe(incremental ? 3 : 1);
        expect(String(vendor.key(endpoint!.requests[0]!))).toMatch(/planted-(openai|anthropic|google)-key$/);
      });
      test(`a tool call, ${way}`, async () => {
        const model = await start({ call });
        const reply = await collect(model, { ...ask, tools: [tool] }, undefined, { incremental });
        expect(reply.ended).toBe('tool-calls');
        expect(reply.calls).toMatchObject([{ tool: 'weather', input: { city: 'Oslo' } }]);
        expect(endpoint!.requests[0]!.body).toContain('The weather in a city');
      });
      test(`the token limit, ${way}`, async () => {
        const model = await start({
          text: 'Hello',
          ended: { anthropic: 'max_tokens', google: 'MAX_TOKENS' }[vendor.name] ?? 'length',
        });
        expect((await collect(model, ask, undefined, { incremental })).ended).toBe('length');
      });
      test(`a provider's block is data, ${way}`, async () => {
        const model = await start({
          text: 'No',
          ended: { anthropic: 'refusal', google: 'SAFETY' }[vendor.name] ?? 'content_filter',
        });
        expect((await collect(model, ask, undefined, { incremental })).ended).toBe('blocked');
      });
      if (vendor.name !== 'openai') {
        test(`reasoning apart from the text, ${way}`, async () => {
          const model = await start({ text: 'Four.', reasoning: 'Two and two.' });
          const reply = await collect(model, ask, undefined, { incremental });
          expect(reply).toMatchObject({ text: 'Four.', reasoning: 'Two and two.' });
        });
      }
      if (vendor.name.startsWith('openai')) {
        test(`log-probabilities, ${way}`, async () => {
          const model = await start({ text: 'Hello there', logprobs });
          const reply = await collect(model, { ...ask, logprobs: 2 }, undefined, { incremental });
          expect(reply.text).toBe('Hello there');
          expect(reply.logprobs).toEqual([
            { token: 'Hello', logprob: -0.25, alternatives: logprobs[0]!.top_logprobs },
            { token: ' there', logprob: -0.5, alternatives: logprobs[1]!.top_logprobs },
          ]);
          expect(endpoint!.requests[0]!.json).toMatchObject({ logprobs: true, top_logprobs: 2 });
        });
      }
    }
    test('a schema, settings and a whole tool conversation arrive on the wire', async () => {
      const model = await start({ text: '{"city":"Oslo"}' });
      const schema = {
        type: 'object',
        properties: { city: { type: 'string' } },
        required: ['city'],
        additionalProperties: false,
      };
      await collect(model, {
        messages: [
          { role: 'system', content: 'Be brief.' },
          { role: 'user', content: 'Weather?' },
          { role: 'assistant', content: '', calls: [{ id: 'call-1', tool: 'weather', input: { city: 'Oslo' } }] },
          { role: 'tool', content: 'rain', callId: 'call-1', tool: 'weather' },
        ],
        schema,
        temperature: 0.5,
        maxTokens: 64,
        seed: 11,
        stop: ['END'],
      });
      const sent = endpoint!.requests[0]!.body;
      for (const part of ['Be brief.', 'rain', 'END', '64', '0.5', '"city"']) expect(sent).toContain(part);
      expect(sent.includes('"seed":11')).toBe(model.capabilities.seed);
    });
    if (vendor.name !== 'openai-compatible') {
      test('an image arrives as base64', async () => {
        const model = await start({ text: 'a dot' });
        const bytes = new Uint8Array([137, 80, 78, 71, 13, 10, 26, 10]);
        await collect(model, {
          messages: [{ role: 'user', content: 'What?', images: [{ mediaType: 'image/png', bytes }] }],
        });
        expect(endpoint!.requests[0]!.body).toContain(Buffer.from(bytes).toString('base64'));
      });
    }
  });
}

test("OpenAI's responses interface gives reasoning summaries, log-probabilities and tool calls", async () => {
  endpoint = await serve((_, response) =>
    sendJson(response, {
      id: 'resp-1',
      created_at: 1,
      model: 'wire-model',
      output: [
        { type: 'reasoning', id: 'rs-1', summary: [{ type: 'summary_text', text: 'Two and two.' }] },
        {
          type: 'message',
          role: 'assistant',
          id: 'msg-1',
          content: [{ type: 'output_text', text: 'Hello there', annotations: [], logprobs }],
        },
        { type: 'function_call', id: 'fc-1', call_id: 'call-1', name: 'weather', arguments: '{"city":"Oslo"}' },
      ],
      usage: { input_tokens: 7, output_tokens: 5, output_tokens_details: { reasoning_tokens: 2 } },
    }),
  );
  const model = await openai('m', { env, baseUrl: `${endpoint.url}/v1`, api: 'responses' });
  const reply = await collect(model, { ...ask, logprobs: 2, tools: [tool] });
  expect(reply).toMatchObject({
    text: 'Hello there',
    reasoning: 'Two and two.',
    calls: [{ id: 'call-1', tool: 'weather', input: { city: 'Oslo' } }],
    usage: { inputTokens: 7, outputTokens: 5, reasoningTokens: 2 },
    ended: 'tool-calls',
  });
  expect(reply.logprobs?.map(({ token }) => token)).toEqual(['Hello', ' there']);
  expect(endpoint.requests[0]!.path).toBe('/v1/responses');
});

test('a refusal that OpenAI keeps apart from the text is the text of the reply', async () => {
  const refused = chatReply({}) as { choices: { message: Record<string, unknown> }[] };
  refused.choices[0]!.message['refusal'] = 'I will not.';
  endpoint = await serve((_, response) => sendJson(response, refused));
  for (const model of [
    await openaiCompatible(`${endpoint.url}/v1`, 'm'),
    await openai('m', { env, baseUrl: `${endpoint.url}/v1` }),
  ]) {
    expect((await collect(model, ask)).text).toBe('I will not.');
  }
});

test('usage that the server does not report is estimated and marked', async () => {
  const bare = chatReply({ text: 'twelve bytes' }) as Record<string, unknown>;
  delete bare['usage'];
  endpoint = await serve((_, response) => sendJson(response, bare));
  const reply = await collect(await openaiCompatible(`${endpoint.url}/v1`, 'm'), ask);
  expect(reply.usage).toEqual({ inputTokens: 4, outputTokens: 4, estimated: true });
});

test('a tool input that is not JSON stays the text that the model wrote', async () => {
  endpoint = await serve((_, response) => sendJson(response, chatReply({ call: { ...call, input: '{"city": Oslo' } })));
  const reply = await collect(await openaiCompatible(`${endpoint.url}/v1`, 'm'), { ...ask, tools: [tool] });
  expect(reply.calls[0]?.input).toBe('{"city": Oslo');
});

test('log-probabilities that were asked for and did not come are an error, not an empty list', async () => {
  endpoint = await serve((_, response) => sendJson(response, chatReply({ text: 'hi' })));
  const model = await openaiCompatible(`${endpoint.url}/v1`, 'm');
  await expect(collect(model, { ...ask, logprobs: 1 })).rejects.toMatchObject({ code: 'endpoint.no-logprobs' });
});

test('a stop in the middle of a stream closes the connection', async () => {
  let closed: () => void = () => {};
  const isClosed = new Promise<void>((resolve) => {
    closed = resolve;
  });
  endpoint = await serve((_, response) => {
    response.on('close', closed);
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    for (const event of chatChunks({ text: 'one two' }).slice(0, 3))
      response.write(`data: ${JSON.stringify(event)}\n\n`);
  });
  const model = await openaiCompatible(`${endpoint.url}/v1`, 'm');
  for await (const event of model.reply(ask, new AbortController().signal, { incremental: true })) {
    expect(event).toEqual({ type: 'text', text: 'one' });
    break;
  }
  await isClosed;
});

test('an abort ends the call with the reason that was given', async () => {
  const control = new AbortController();
  endpoint = await serve(() => control.abort(new Error('the run was stopped')));
  const model = await openaiCompatible(`${endpoint.url}/v1`, 'm');
  await expect(collect(model, ask, control.signal)).rejects.toThrow('the run was stopped');
});

test('a model without a key says which variable to set, and never another one’s value', async () => {
  await expect(anthropic('m', { env: { OPENAI_API_KEY: 'k' } })).rejects.toMatchObject({
    code: 'model.missing-key',
    message: expect.stringContaining('ANTHROPIC_API_KEY') as string,
  });
});

test('what a model does not declare is refused before anything is sent', async () => {
  endpoint = await serve((_, response) => sendJson(response, chatReply({ text: 'hi' })));
  const model = await openaiCompatible(`${endpoint.url}/v1`, 'm', { capabilities: { tools: false } });
  await expect(collect(model, { ...ask, tools: [tool], prefix: 'Sure' })).rejects.toMatchObject({
    code: 'model.unsupported',
    message: expect.stringMatching(/tools.*prefix/) as string,
  });
  expect(endpoint.requests).toHaveLength(0);
});
