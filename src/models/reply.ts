/**
 * Whole replies from their events: folding, joining neighbours, and the shortest ways to ask and collect.
 *
 * The fold is the definition of a reply (model.ts); every layer that needs "the text" goes through here.
 * Needs nothing but the interfaces of model.ts.
 */
import { FiducialError, show } from '../core/errors.ts';
import type {
  Ask,
  CallOptions,
  Capabilities,
  Message,
  Model,
  Reply,
  ReplyEvent,
  TokenLogprob,
  ToolCall,
} from './model.ts';

/** What a chat model that declares nothing else can do. */
export const plainChat: Capabilities = {
  tools: false,
  schema: false,
  images: false,
  logprobs: false,
  seed: false,
  prefix: false,
  reasoning: false,
};

/**
 * The whole reply that `events` make.
 *
 * @throws FiducialError `endpoint.incomplete` when there is no `end` event: half a reply is not a reply.
 * @example foldReply([{ type: 'text', text: 'hi' }, { type: 'end', reason: 'stop', usage }]).text === 'hi'
 */
export function foldReply(events: Iterable<ReplyEvent>): Reply {
  let text = '';
  let reasoning = '';
  const calls: ToolCall[] = [];
  const verdicts: Extract<ReplyEvent, { type: 'verdict' }>[] = [];
  let logprobs: TokenLogprob[] | undefined;
  let end: Extract<ReplyEvent, { type: 'end' }> | undefined;
  for (const event of events) {
    switch (event.type) {
      case 'text':
        text += event.text;
        if (event.logprobs !== undefined) (logprobs ??= []).push(...event.logprobs);
        break;
      case 'reasoning':
        reasoning += event.text;
        break;
      case 'tool-call':
        calls.push(event.call);
        break;
      case 'verdict':
        verdicts.push(event);
        break;
      case 'end':
        end = event;
        break;
    }
  }
  if (end === undefined) {
    throw new FiducialError(
      'endpoint.incomplete',
      `The reply stopped without an end event after ${text.length} characters: ${show(text)}`,
      'A model must finish its events with { type: "end" }; ask again if the endpoint broke off.',
    );
  }
  return {
    text,
    reasoning,
    calls,
    ...(logprobs === undefined ? {} : { logprobs }),
    verdicts,
    ended: end.reason,
    usage: end.usage,
    ...(end.replyId === undefined ? {} : { replyId: end.replyId }),
    ...(end.modelId === undefined ? {} : { modelId: end.modelId }),
  };
}

/** The text of a reply, or of its events. */
export function text(reply: Reply | Iterable<ReplyEvent>): string {
  if ('ended' in reply) return reply.text;
  let all = '';
  for (const event of reply) if (event.type === 'text') all += event.text;
  return all;
}

/** All events of a stream, in order. */
export async function gather(events: AsyncIterable<ReplyEvent>): Promise<ReplyEvent[]> {
  const all: ReplyEvent[] = [];
  for await (const event of events) all.push(event);
  return all;
}

/**
 * Asks and waits for the whole reply.
 *
 * @param ask a whole ask, or just the user's words
 * @example const reply = await collect(model, 'What is 2 + 2?');
 */
export async function collect(
  model: Model,
  ask: Ask | string,
  signal: AbortSignal = never,
  options?: CallOptions,
): Promise<Reply> {
  const whole: Ask = typeof ask === 'string' ? { messages: [{ role: 'user', content: ask }] } : ask;
  return foldReply(await gather(model.reply(whole, signal, options)));
}

/**
 * Events with neighbouring text, and neighbouring reasoning, joined into one. The fold is unchanged.
 */
export function joinNeighbours(events: readonly ReplyEvent[]): ReplyEvent[] {
  const joined: ReplyEvent[] = [];
  for (const event of events) {
    const last = joined.at(-1);
    if (event.type === 'text' && last?.type === 'text') {
      const logprobs =
        last.logprobs === undefined && event.logprobs === undefined
          ? undefined
          : [...(last.logprobs ?? []), ...(event.logprobs ?? [])];
      joined[joined.length - 1] = {
        type: 'text',
        text: last.text + event.text,
        ...(logprobs === undefined ? {} : { logprobs }),
      };
    } else if (event.type === 'reasoning' && last?.type === 'reasoning') {
      joined[joined.length - 1] = { type: 'reasoning', text: last.text + event.text };
    } else joined.push(event);
  }
  return joined;
}

/** The words of an ask as UTF-8 bytes: no byte-level tokenizer makes more tokens of them than this. Images aside. */
export function askBytes(ask: Ask): number {
  let bytes = ask.prefix === undefined ? 0 : Buffer.byteLength(ask.prefix);
  for (const message of ask.messages) {
    bytes += Buffer.byteLength(message.content);
    if (message.calls !== undefined) bytes += Buffer.byteLength(JSON.stringify(message.calls));
  }
  if (ask.tools !== undefined) bytes += Buffer.byteLength(JSON.stringify(ask.tools));
  if (ask.schema !== undefined) bytes += Buffer.byteLength(JSON.stringify(ask.schema));
  return bytes;
}

/** Token counts guessed from bytes, marked as such, for endpoints that report none. */
export function estimateUsage(
  ask: Ask,
  output: string,
): {
  inputTokens: number;
  outputTokens: number;
  estimated: true;
} {
  return {
    inputTokens: Math.ceil(askBytes(ask) / bytesPerToken),
    outputTokens: Math.ceil(Buffer.byteLength(output) / bytesPerToken),
    estimated: true,
  };
}

/** The conversation as one text, for targets that take a single prompt: one user message alone is given as it is. */
export function asPrompt(messages: readonly Message[]): string {
  const [only] = messages;
  if (messages.length === 1 && only?.role === 'user') return only.content;
  return messages.map((message) => `${message.role}: ${message.content}`).join('\n\n');
}

/** A signal that never aborts. */
const never = new AbortController().signal;

/** English averages about four bytes a token; three errs on the side of counting more. */
const bytesPerToken = 3;
