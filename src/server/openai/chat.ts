/**
 * Chat completions: a reply as one body, or as chunks while the model writes.
 *
 * Extensions: `reasoning_content` beside `content`, as other open servers have it, and `verdicts` of guards.
 */
import { foldReply, gather, type Model, type ReplyEvent } from '../../models/index.ts';
import type { ChatRequest } from './requests.ts';
import {
  type Body,
  callBody,
  finishReason,
  logprobBodies,
  newId,
  nowSeconds,
  usageBody,
  verdictBodies,
} from './wire.ts';

/** The whole reply as one body. */
export async function chatBody(model: Model, name: string, { ask }: ChatRequest, signal: AbortSignal): Promise<Body> {
  const reply = foldReply(await gather(model.reply(ask, signal)));
  const { text, reasoning, calls, logprobs } = reply;
  return {
    id: reply.replyId ?? newId('chatcmpl'),
    object: 'chat.completion',
    created: nowSeconds(),
    model: name,
    choices: [
      {
        index: 0,
        message: {
          role: 'assistant',
          content: text === '' && calls.length > 0 ? null : text,
          ...(reasoning === '' ? {} : { reasoning_content: reasoning }),
          ...(calls.length === 0 ? {} : { tool_calls: calls.map(callBody) }),
        },
        logprobs: ask.logprobs === undefined ? null : { content: logprobBodies(logprobs ?? []) },
        finish_reason: finishReason(reply.ended),
      },
    ],
    usage: usageBody(reply.usage),
    ...verdictBodies(reply.verdicts),
  };
}

/** The chunks of a streamed reply. */
export async function* chatChunks(
  model: Model,
  name: string,
  { ask, hasUsageChunk }: ChatRequest,
  signal: AbortSignal,
): AsyncGenerator<Body, void, undefined> {
  const head = { id: newId('chatcmpl'), object: 'chat.completion.chunk', created: nowSeconds(), model: name };
  const chunk = (delta: Body, finish: string | null = null, more: Body = {}): Body => ({
    ...head,
    choices: [{ index: 0, delta, logprobs: null, finish_reason: finish, ...more }],
  });
  const verdicts: Extract<ReplyEvent, { type: 'verdict' }>[] = [];
  let calls = 0;
  let isFirst = true;
  for await (const event of model.reply(ask, signal, { incremental: true })) {
    // Not before the first event: until then a failure can still be a status.
    if (isFirst) yield chunk({ role: 'assistant', content: '' });
    isFirst = false;
    switch (event.type) {
      case 'text':
        yield chunk(
          { content: event.text },
          null,
          event.logprobs === undefined ? {} : { logprobs: { content: logprobBodies(event.logprobs) } },
        );
        break;
      case 'reasoning':
        yield chunk({ reasoning_content: event.text });
        break;
      case 'tool-call':
        yield chunk({ tool_calls: [{ index: calls++, ...callBody(event.call) }] });
        break;
      case 'verdict':
        verdicts.push(event);
        break;
      case 'end':
        yield { ...chunk({}, finishReason(event.reason)), ...verdictBodies(verdicts) };
        if (hasUsageChunk) yield { ...head, choices: [], usage: usageBody(event.usage) };
        break;
    }
  }
}
