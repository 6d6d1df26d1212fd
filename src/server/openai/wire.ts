/**
 * Pieces of OpenAI's answers that several routes share: ids, usage, reasons, log-probabilities, and event streams.
 */
import { randomUUID } from 'node:crypto';
import type { Json } from '../../core/values.ts';
import type { EndReason, Reply, TokenLogprob, ToolCall, Usage } from '../../models/index.ts';
import { apiErrorOf, errorBody } from './errors.ts';

export type Body = Record<string, Json>;

export const newId = (kind: 'chatcmpl' | 'cmpl'): string => `${kind}-${randomUUID().replaceAll('-', '')}`;

/** Seconds since 1970, as the API counts. */
export const nowSeconds = (): number => Math.floor(Date.now() / 1000);

export function usageBody({ inputTokens, outputTokens, cachedInputTokens, reasoningTokens }: Usage): Body {
  return {
    prompt_tokens: inputTokens,
    completion_tokens: outputTokens,
    total_tokens: inputTokens + outputTokens,
    prompt_tokens_details: { cached_tokens: cachedInputTokens ?? 0 },
    completion_tokens_details: { reasoning_tokens: reasoningTokens ?? 0 },
  };
}

const reasons: Record<EndReason, string> = {
  stop: 'stop',
  length: 'length',
  'tool-calls': 'tool_calls',
  blocked: 'content_filter',
};

export const finishReason = (reason: EndReason): string => reasons[reason];

/** `logprobs.content` of a chat completion. */
export function logprobBodies(logprobs: readonly TokenLogprob[]): Body[] {
  return logprobs.map(({ token, logprob, alternatives }) => ({
    ...tokenBody(token, logprob),
    top_logprobs: (alternatives ?? []).map((one) => tokenBody(one.token, one.logprob)),
  }));
}

function tokenBody(token: string, logprob: number): Body {
  // Part of a character reads as U+FFFD, of which the bytes would be wrong.
  const bytes = token.includes('\ufffd') ? null : [...Buffer.from(token)];
  return { token, logprob: finite(logprob), bytes };
}

/** JSON has no infinities; OpenAI gives this number for what is out of reach. */
export const finite = (logprob: number): number => (Number.isFinite(logprob) ? logprob : -9999);

export function callBody({ id, tool, input }: ToolCall): { id: string; type: 'function'; function: Body } {
  const text = typeof input === 'string' ? input : JSON.stringify(input);
  return { id, type: 'function', function: { name: tool, arguments: text } };
}

/** What guards said, which the API has no place for. */
export function verdictBodies(verdicts: Reply['verdicts']): { verdicts?: Body[] } {
  if (verdicts.length === 0) return {};
  return {
    verdicts: verdicts.map(({ guard, score, threshold, blocked, why, costMs }) => ({
      guard,
      score,
      threshold,
      blocked,
      why,
      cost_ms: costMs,
    })),
  };
}

/**
 * Chunks as server-sent events, ended by `[DONE]`. A failure in the middle is an event `{ error }` and the stream ends
 * without `[DONE]`. Made as fast as the client takes them.
 *
 * @param onEnd called once, whether the stream was read to its end, failed, or its client went away
 */
export function eventStream(chunks: AsyncIterator<Body>, onEnd: (error?: unknown) => void): Response {
  const encoder = new TextEncoder();
  let hasEnded = false;
  const end = (error?: unknown): void => {
    if (hasEnded) return;
    hasEnded = true;
    onEnd(error);
  };
  const stream = new ReadableStream<Uint8Array>({
    async pull(sink) {
      try {
        const next = await chunks.next();
        const data = next.done === true ? '[DONE]' : JSON.stringify(next.value);
        sink.enqueue(encoder.encode(`data: ${data}\n\n`));
        if (next.done !== true) return;
        sink.close();
        end();
      } catch (error) {
        if (!hasEnded) sink.enqueue(encoder.encode(`data: ${JSON.stringify(errorBody(apiErrorOf(error)))}\n\n`));
        sink.close();
        end(error);
      }
    },
    async cancel() {
      end();
      await chunks.return?.();
    },
  });
  return new Response(stream, {
    headers: {
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-store',
      'x-accel-buffering': 'no',
    },
  });
}
