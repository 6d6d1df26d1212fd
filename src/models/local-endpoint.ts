/**
 * A small HTTP server on this machine for tests and examples, and replies in the wire formats of OpenAI's chat
 * completions, Anthropic's messages and Google's generateContent, whole and streamed, so that the real SDKs can be run
 * against it without a network.
 *
 * Formats as the vendors' API references describe them, as far as the SDKs read them. It listens on 127.0.0.1 only.
 */
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Json } from '../core/values.ts';

export interface LocalRequest {
  readonly path: string;
  readonly headers: http.IncomingHttpHeaders;
  readonly body: string;
  /** The body parsed; null where it is not JSON. */
  readonly json: Record<string, Json> | null;
}

export interface LocalEndpoint {
  /** `http://127.0.0.1:<port>` */
  readonly url: string;
  readonly requests: readonly LocalRequest[];
  /** Most requests that were under way at once. */
  readonly peak: () => number;
  readonly close: () => Promise<void>;
}

/**
 * Starts a server on a free port.
 *
 * @example const endpoint = await serve((request, response) => sendJson(response, chatReply({ text: 'hi' })));
 */
export async function serve(
  answer: (request: LocalRequest, response: http.ServerResponse, index: number) => void | Promise<void>,
): Promise<LocalEndpoint> {
  const requests: LocalRequest[] = [];
  let active = 0;
  let peak = 0;
  const server = http.createServer((incoming, response) => {
    const chunks: Buffer[] = [];
    active++;
    peak = Math.max(peak, active);
    response.on('close', () => void active--);
    incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
    incoming.on('end', () => {
      const body = Buffer.concat(chunks).toString('utf8');
      const request = { path: incoming.url ?? '', headers: incoming.headers, body, json: parse(body) };
      const index = requests.push(request) - 1;
      void Promise.resolve(answer(request, response, index)).catch((error: unknown) => {
        response.destroy(error instanceof Error ? error : new Error(String(error)));
      });
    });
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    requests,
    peak: () => peak,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

export function sendJson(
  response: http.ServerResponse,
  body: unknown,
  status = 200,
  headers: Readonly<Record<string, string>> = {},
): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers });
  response.end(typeof body === 'string' ? body : JSON.stringify(body));
}

/** Sends server-sent events; strings go out as they are, `[name, data]` as a named event. */
export function sendEvents(
  response: http.ServerResponse,
  events: readonly (string | object | readonly [string, object])[],
): void {
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  for (const event of events) {
    if (typeof event === 'string') response.write(`data: ${event}\n\n`);
    else if (Array.isArray(event)) response.write(`event: ${event[0]}\ndata: ${JSON.stringify(event[1])}\n\n`);
    else response.write(`data: ${JSON.stringify(event)}\n\n`);
  }
  response.end();
}

export interface WireReply {
  readonly text?: string;
  readonly reasoning?: string;
  readonly call?: { readonly id: string; readonly name: string; readonly input: string };
  readonly logprobs?: readonly { token: string; logprob: number; top_logprobs: { token: string; logprob: number }[] }[];
  readonly usage?: { readonly input: number; readonly output: number };
  readonly ended?: string;
}

const usual = { input: 7, output: 5 };

/** A chat completion. */
export function chatReply(reply: WireReply): Json {
  const { input, output } = reply.usage ?? usual;
  return {
    id: 'chatcmpl-1',
    object: 'chat.completion',
    created: 1,
    model: 'wire-model',
    choices: [
      {
        index: 0,
        message: {
          role: 'assistant',
          content: reply.text ?? null,
          ...(reply.reasoning === undefined ? {} : { reasoning_content: reply.reasoning }),
          ...(reply.call === undefined ? {} : { tool_calls: [chatCall(reply.call)] }),
        },
        ...(reply.logprobs === undefined ? {} : { logprobs: { content: reply.logprobs as unknown as Json } }),
        finish_reason: reply.ended ?? (reply.call === undefined ? 'stop' : 'tool_calls'),
      },
    ],
    usage: { prompt_tokens: input, completion_tokens: output, total_tokens: input + output },
  };
}

/** The same as the chunks of a stream, a piece for every word. */
export function chatChunks(reply: WireReply): (string | object)[] {
  const { input, output } = reply.usage ?? usual;
  const chunk = (delta: object, finish: string | null = null, logprobs?: object) => ({
    id: 'chatcmpl-1',
    object: 'chat.completion.chunk',
    created: 1,
    model: 'wire-model',
    choices: [{ index: 0, delta, finish_reason: finish, ...(logprobs === undefined ? {} : { logprobs }) }],
  });
  return [
    chunk({ role: 'assistant', content: '' }),
    ...(reply.reasoning === undefined ? [] : [chunk({ reasoning_content: reply.reasoning })]),
    ...words(reply.text).map((word) => chunk({ content: word })),
    ...(reply.logprobs ?? []).map((token) => chunk({}, null, { content: [token] })),
    ...(reply.call === undefined ? [] : [chunk({ tool_calls: [{ index: 0, ...chatCall(reply.call) }] })]),
    chunk({}, reply.ended ?? (reply.call === undefined ? 'stop' : 'tool_calls')),
    { id: 'chatcmpl-1', choices: [], usage: { prompt_tokens: input, completion_tokens: output } },
    '[DONE]',
  ];
}

function chatCall(call: NonNullable<WireReply['call']>) {
  return { id: call.id, type: 'function', function: { name: call.name, arguments: call.input } };
}

/** A message of Anthropic's API. */
export function anthropicReply(reply: WireReply): Json {
  const { input, output } = reply.usage ?? usual;
  return {
    id: 'msg-1',
    type: 'message',
    role: 'assistant',
    model: 'wire-model',
    content: [
      ...(reply.reasoning === undefined ? [] : [{ type: 'thinking', thinking: reply.reasoning, signature: 's' }]),
      ...(reply.text === undefined ? [] : [{ type: 'text', text: reply.text }]),
      ...(reply.call === undefined
        ? []
        : [
            {
              type: 'tool_use',
              id: reply.call.id,
              name: reply.call.name,
              input: JSON.parse(reply.call.input) as Json,
            },
          ]),
    ],
    stop_reason: reply.ended ?? (reply.call === undefined ? 'end_turn' : 'tool_use'),
    stop_sequence: null,
    usage: { input_tokens: input, output_tokens: output },
  };
}

export function anthropicEvents(reply: WireReply): [string, object][] {
  const { input, output } = reply.usage ?? usual;
  const events: [string, object][] = [
    [
      'message_start',
      {
        type: 'message_start',
        message: {
          id: 'msg-1',
          type: 'message',
          role: 'assistant',
          model: 'wire-model',
          content: [],
          stop_reason: null,
          stop_sequence: null,
          usage: { input_tokens: input, output_tokens: 0 },
        },
      },
    ],
  ];
  let index = 0;
  const block = (start: object, deltas: readonly object[]) => {
    events.push(['content_block_start', { type: 'content_block_start', index, content_block: start }]);
    for (const delta of deltas) events.push(['content_block_delta', { type: 'content_block_delta', index, delta }]);
    events.push(['content_block_stop', { type: 'content_block_stop', index }]);
    index++;
  };
  if (reply.reasoning !== undefined) {
    block({ type: 'thinking', thinking: '' }, [{ type: 'thinking_delta', thinking: reply.reasoning }]);
  }
  if (reply.text !== undefined) {
    block(
      { type: 'text', text: '' },
      words(reply.text).map((text) => ({ type: 'text_delta', text })),
    );
  }
  if (reply.call !== undefined) {
    block({ type: 'tool_use', id: reply.call.id, name: reply.call.name, input: {} }, [
      { type: 'input_json_delta', partial_json: reply.call.input },
    ]);
  }
  const reason = reply.ended ?? (reply.call === undefined ? 'end_turn' : 'tool_use');
  events.push([
    'message_delta',
    {
      type: 'message_delta',
      delta: { stop_reason: reason, stop_sequence: null },
      usage: { output_tokens: output },
    },
  ]);
  events.push(['message_stop', { type: 'message_stop' }]);
  return events;
}

/** A generateContent response of Google's API. */
export function googleReply(reply: WireReply): Record<string, Json> {
  const { input, output } = reply.usage ?? usual;
  return {
    candidates: [
      {
        content: {
          role: 'model',
          parts: [
            ...(reply.reasoning === undefined ? [] : [{ text: reply.reasoning, thought: true }]),
            ...(reply.text === undefined ? [] : [{ text: reply.text }]),
            ...(reply.call === undefined
              ? []
              : [{ functionCall: { name: reply.call.name, args: JSON.parse(reply.call.input) as Json } }]),
          ],
        },
        finishReason: reply.ended ?? 'STOP',
        index: 0,
      },
    ],
    usageMetadata: { promptTokenCount: input, candidatesTokenCount: output, totalTokenCount: input + output },
    modelVersion: 'wire-model',
    responseId: 'resp-1',
  };
}

export function googleChunks(reply: WireReply): object[] {
  const pieces = words(reply.text).map((text) => ({
    candidates: [{ content: { role: 'model', parts: [{ text }] }, index: 0 }],
  }));
  const { text: _, ...rest } = reply;
  return [...pieces, googleReply(rest)];
}

function words(text: string | undefined): string[] {
  return text?.match(/\s*\S+/g) ?? [];
}

function parse(body: string): Record<string, Json> | null {
  try {
    return JSON.parse(body) as Record<string, Json>;
  } catch {
    return null;
  }
}
