/**
 * Completions of raw text, for models that run here: other endpoints know no text outside a chat. With `echo` and
 * `logprobs` the prompt is scored too, which is how evaluation harnesses ask for likelihoods.
 */
import { foldReply, gather, type TokenLogprob, type Usage } from '../../models/index.ts';
import type { LocalModel, ScoredToken } from '../../models/open/index.ts';
import type { CompletionRequest } from './requests.ts';
import { type Body, finishReason, finite, newId, nowSeconds, usageBody } from './wire.ts';

/** All prompts' completions as one body. */
export async function completionBody(
  model: LocalModel,
  name: string,
  request: CompletionRequest,
  signal: AbortSignal,
): Promise<Body> {
  const parts = await Promise.all(
    request.prompts.map((prompt, index) => choiceOf(model, request, prompt, index, signal)),
  );
  const usage = parts.reduce<Usage>(
    (sum, part) => ({
      inputTokens: sum.inputTokens + part.usage.inputTokens,
      outputTokens: sum.outputTokens + part.usage.outputTokens,
      cachedInputTokens: (sum.cachedInputTokens ?? 0) + (part.usage.cachedInputTokens ?? 0),
    }),
    { inputTokens: 0, outputTokens: 0 },
  );
  return {
    id: newId('cmpl'),
    object: 'text_completion',
    created: nowSeconds(),
    model: name,
    choices: parts.map(({ choice }) => choice),
    usage: usageBody(usage),
  };
}

async function choiceOf(
  model: LocalModel,
  { settings, isEchoed }: CompletionRequest,
  prompt: string,
  index: number,
  signal: AbortSignal,
): Promise<{ choice: Body; usage: Usage }> {
  const reply = foldReply(await gather(model.complete(prompt, settings, signal)));
  const wantsLogprobs = settings.logprobs !== undefined;
  const before = isEchoed && wantsLogprobs ? await model.score(prompt, settings.logprobs) : [];
  return {
    usage: reply.usage,
    choice: {
      index,
      text: isEchoed ? prompt + reply.text : reply.text,
      logprobs: wantsLogprobs ? logprobsBody([...before, ...(reply.logprobs ?? [])]) : null,
      finish_reason: finishReason(reply.ended),
    },
  };
}

/** The chunks of one streamed completion. */
export async function* completionChunks(
  model: LocalModel,
  name: string,
  { prompts, settings, hasUsageChunk }: CompletionRequest,
  signal: AbortSignal,
): AsyncGenerator<Body, void, undefined> {
  const head = { id: newId('cmpl'), object: 'text_completion', created: nowSeconds(), model: name };
  let offset = 0;
  for await (const event of model.complete(prompts[0]!, settings, signal, { incremental: true })) {
    if (event.type === 'text') {
      const logprobs = event.logprobs === undefined ? null : logprobsBody(event.logprobs, offset);
      offset += event.text.length;
      yield { ...head, choices: [{ index: 0, text: event.text, logprobs, finish_reason: null }] };
    } else if (event.type === 'end') {
      const last = { index: 0, text: '', logprobs: null, finish_reason: finishReason(event.reason) };
      yield { ...head, choices: [last] };
      if (hasUsageChunk) yield { ...head, choices: [], usage: usageBody(event.usage) };
    }
  }
}

/** The older form of log-probabilities: parallel lists. Places count characters of the text. */
function logprobsBody(tokens: readonly (TokenLogprob | ScoredToken)[], start = 0): Body {
  let offset = start;
  const offsets = tokens.map(({ token }) => {
    const at = offset;
    offset += token.length;
    return at;
  });
  return {
    tokens: tokens.map(({ token }) => token),
    token_logprobs: tokens.map(({ logprob }) => (logprob === undefined ? null : finite(logprob))),
    top_logprobs: tokens.map(({ alternatives }) =>
      alternatives === undefined
        ? null
        : Object.fromEntries(alternatives.map(({ token, logprob }) => [token, finite(logprob)])),
    ),
    text_offset: offsets,
  };
}
