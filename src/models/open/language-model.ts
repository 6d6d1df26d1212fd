/**
 * Any model of this project as a `LanguageModelV3` of the Vercel AI SDK, for `generateText`, `streamText` and agents.
 *
 * What the model cannot do is a warning where the reply stands without it (a forced tool choice, penalties), and the
 * model's own error where it does not (tools, images). Log-probabilities are asked for with
 * `providerOptions: { fiducial: { logprobs: 5 } }` and come back as `providerMetadata.fiducial.logprobs`.
 */
import type { OpenAICompatibleProvider } from '@ai-sdk/openai-compatible';
import { FiducialError, show } from '../../core/errors.ts';
import type { Json } from '../../core/values.ts';
import type { Ask, EndReason, ImagePart, Message, Model, ReplyEvent, TokenLogprob, Usage } from '../model.ts';
import { foldReply, gather } from '../reply.ts';

/** The SDK's model contract, taken from a provider's face: the package that declares it is not a dependency. */
export type LanguageModel = ReturnType<OpenAICompatibleProvider['chatModel']>;
type Call = Parameters<LanguageModel['doGenerate']>[0];
type Generated = Awaited<ReturnType<LanguageModel['doGenerate']>>;
type Warning = Generated['warnings'][number];
type PromptMessage = Call['prompt'][number];
type ToolOutput = Extract<
  Extract<PromptMessage, { role: 'tool' }>['content'][number],
  { type: 'tool-result' }
>['output'];
type StreamPart =
  Awaited<ReturnType<LanguageModel['doStream']>>['stream'] extends ReadableStream<infer Part> ? Part : never;
type Metadata = NonNullable<Generated['providerMetadata']>;

/**
 * @example
 * const { text } = await generateText({ model: toLanguageModel(await openModel('./qwen')), prompt: 'Hi' });
 */
export function toLanguageModel(model: Model): LanguageModel {
  return {
    specificationVersion: 'v3',
    provider: 'fiducial',
    modelId: model.id,
    supportedUrls: {},
    async doGenerate(call) {
      const { ask, warnings } = askOf(call, model);
      const reply = foldReply(await gather(model.reply(ask, call.abortSignal ?? never)));
      return {
        content: [
          ...(reply.reasoning === '' ? [] : [{ type: 'reasoning' as const, text: reply.reasoning }]),
          ...(reply.text === '' ? [] : [{ type: 'text' as const, text: reply.text }]),
          ...reply.calls.map(({ id, tool, input }) => ({
            type: 'tool-call' as const,
            toolCallId: id,
            toolName: tool,
            input: JSON.stringify(input),
          })),
        ],
        finishReason: finishOf(reply.ended),
        usage: usageOf(reply.usage),
        ...metadataOf(reply.logprobs),
        response: responseOf(reply.replyId, reply.modelId ?? model.id),
        warnings,
      };
    },
    doStream(call) {
      const { ask, warnings } = askOf(call, model);
      const control = new AbortController();
      const signal =
        call.abortSignal === undefined ? control.signal : AbortSignal.any([call.abortSignal, control.signal]);
      const parts = partsOf(model.reply(ask, signal, { incremental: true }), warnings, model.id);
      const stream = new ReadableStream<StreamPart>({
        async pull(sink) {
          const next = await parts.next();
          if (next.done === true) sink.close();
          else sink.enqueue(next.value);
        },
        async cancel() {
          control.abort(new Error('the stream is no longer wanted'));
          await parts.return();
        },
      });
      return Promise.resolve({ stream });
    },
  };
}

/**
 * Models as a provider of the SDK, by their ids or names of the caller's choice.
 *
 * @example
 * const lab = aiSdkProvider({ small: await openModel('./small') });
 * await generateText({ model: lab('small'), prompt: 'Hi' });
 */
export function aiSdkProvider(models: Readonly<Record<string, Model>>): (name: string) => LanguageModel {
  return (name) => {
    const model = Object.hasOwn(models, name) ? models[name] : undefined;
    if (model !== undefined) return toLanguageModel(model);
    throw new FiducialError(
      'model.unknown-name',
      `There is no model ${show(name)} here`,
      `Known are ${Object.keys(models).join(', ')}.`,
    );
  };
}

/** A signal that never aborts. */
const never = new AbortController().signal;

async function* partsOf(
  events: AsyncIterable<ReplyEvent>,
  warnings: Warning[],
  modelId: string,
): AsyncGenerator<StreamPart, void, undefined> {
  yield { type: 'stream-start', warnings };
  let open: { readonly type: 'text' | 'reasoning'; readonly id: string } | undefined;
  let blocks = 0;
  const logprobs: TokenLogprob[] = [];
  for await (const event of events) {
    const isProse = event.type === 'text' || event.type === 'reasoning';
    if (open !== undefined && event.type !== open.type && event.type !== 'verdict') {
      yield { type: `${open.type}-end`, id: open.id };
      open = undefined;
    }
    if (event.type === 'text' && event.logprobs !== undefined) logprobs.push(...event.logprobs);
    if (isProse && event.text !== '') {
      if (open === undefined) {
        open = { type: event.type, id: String(blocks++) };
        yield { type: `${open.type}-start`, id: open.id };
      }
      yield { type: `${open.type}-delta`, id: open.id, delta: event.text };
    } else if (event.type === 'tool-call') {
      const { id, tool, input } = event.call;
      const text = JSON.stringify(input);
      yield { type: 'tool-input-start', id, toolName: tool };
      yield { type: 'tool-input-delta', id, delta: text };
      yield { type: 'tool-input-end', id };
      yield { type: 'tool-call', toolCallId: id, toolName: tool, input: text };
    } else if (event.type === 'end') {
      yield { type: 'response-metadata', ...responseOf(event.replyId, event.modelId ?? modelId) };
      yield {
        type: 'finish',
        finishReason: finishOf(event.reason),
        usage: usageOf(event.usage),
        ...metadataOf(logprobs.length === 0 ? undefined : logprobs),
      };
    }
  }
}

function askOf(call: Call, model: Model): { ask: Ask; warnings: Warning[] } {
  const warnings: Warning[] = [];
  const unsupported = (feature: string, details?: string): void =>
    void warnings.push({ type: 'unsupported', feature, ...(details === undefined ? {} : { details }) });
  if (call.presencePenalty !== undefined && call.presencePenalty !== 0) unsupported('presencePenalty');
  if (call.frequencyPenalty !== undefined && call.frequencyPenalty !== 0) unsupported('frequencyPenalty');
  const choice = call.toolChoice?.type ?? 'auto';
  if (choice === 'required' || choice === 'tool') unsupported('toolChoice', 'the model chooses whether to call a tool');
  const tools = (choice === 'none' ? [] : (call.tools ?? [])).flatMap((tool) => {
    if (tool.type === 'function') {
      return [{ name: tool.name, description: tool.description ?? '', input: tool.inputSchema as Json }];
    }
    unsupported(`tool ${tool.id}`, 'tools that a provider runs itself are not here');
    return [];
  });
  const format = call.responseFormat;
  const schema = format?.type === 'json' ? (format.schema as Json | undefined) : undefined;
  if (format?.type === 'json' && (schema === undefined || !model.capabilities.schema)) {
    unsupported('responseFormat', 'the reply is not held to a schema; ask for JSON in words');
  }
  const own = call.providerOptions?.['fiducial'];
  const logprobs = own?.['logprobs'];
  const topK = call.topK;
  return {
    warnings,
    ask: {
      messages: call.prompt.flatMap(messagesOf),
      ...(tools.length === 0 ? {} : { tools }),
      ...(call.temperature === undefined ? {} : { temperature: call.temperature }),
      ...(call.topP === undefined ? {} : { topP: call.topP }),
      ...(topK === undefined ? {} : { topK }),
      ...(call.maxOutputTokens === undefined ? {} : { maxTokens: call.maxOutputTokens }),
      ...(call.stopSequences === undefined ? {} : { stop: call.stopSequences }),
      ...(call.seed === undefined ? {} : { seed: call.seed }),
      ...(schema === undefined || !model.capabilities.schema ? {} : { schema }),
      ...(typeof logprobs === 'number' ? { logprobs } : {}),
    },
  };
}

function messagesOf(message: PromptMessage): Message[] {
  switch (message.role) {
    case 'system':
      return [{ role: 'system', content: message.content }];
    case 'user': {
      const images = message.content.flatMap((part) => (part.type === 'file' ? [imageOf(part)] : []));
      const content = message.content.map((part) => (part.type === 'text' ? part.text : '')).join('');
      return [{ role: 'user', content, ...(images.length === 0 ? {} : { images }) }];
    }
    case 'assistant': {
      const calls = message.content.flatMap((part) =>
        part.type === 'tool-call' ? [{ id: part.toolCallId, tool: part.toolName, input: part.input as Json }] : [],
      );
      // Reasoning of earlier turns is left out, as the families' templates do.
      const content = message.content.map((part) => (part.type === 'text' ? part.text : '')).join('');
      return [{ role: 'assistant', content, ...(calls.length === 0 ? {} : { calls }) }];
    }
    default:
      return message.content.flatMap((part) =>
        part.type === 'tool-result'
          ? [{ role: 'tool' as const, content: resultText(part.output), callId: part.toolCallId, tool: part.toolName }]
          : [],
      );
  }
}

function imageOf(part: { readonly mediaType: string; readonly data: unknown }): ImagePart {
  const { mediaType, data } = part;
  if (data instanceof Uint8Array) return { mediaType, bytes: data };
  if (typeof data === 'string') return { mediaType, bytes: new Uint8Array(Buffer.from(data, 'base64')) };
  throw new FiducialError(
    'model.invalid-ask',
    `A file part is at ${show(String(data))}, and nothing is fetched here`,
    'Read the file and pass its bytes.',
  );
}

function resultText(output: ToolOutput): string {
  switch (output.type) {
    case 'text':
    case 'error-text':
      return output.value;
    case 'execution-denied':
      return output.reason ?? 'The call was denied.';
    case 'content':
      return output.value.map((part) => (part.type === 'text' ? part.text : '')).join('');
    default:
      return JSON.stringify(output.value);
  }
}

const finishes = {
  stop: 'stop',
  length: 'length',
  'tool-calls': 'tool-calls',
  blocked: 'content-filter',
} as const satisfies Record<EndReason, string>;

const finishOf = (reason: EndReason): Generated['finishReason'] => ({ unified: finishes[reason], raw: reason });

function usageOf(usage: Usage): Generated['usage'] {
  const { inputTokens, outputTokens, cachedInputTokens, reasoningTokens } = usage;
  return {
    inputTokens: {
      total: inputTokens,
      noCache: inputTokens - (cachedInputTokens ?? 0),
      cacheRead: cachedInputTokens,
      cacheWrite: undefined,
    },
    outputTokens: { total: outputTokens, text: outputTokens - (reasoningTokens ?? 0), reasoning: reasoningTokens },
  };
}

function metadataOf(logprobs: readonly TokenLogprob[] | undefined): { providerMetadata?: Metadata } {
  if (logprobs === undefined) return {};
  const plain = logprobs.map(({ token, logprob, alternatives }) => ({
    token,
    logprob,
    ...(alternatives === undefined ? {} : { alternatives: alternatives.map((one) => ({ ...one })) }),
  }));
  return { providerMetadata: { fiducial: { logprobs: plain } } };
}

const responseOf = (id: string | undefined, modelId: string): { id?: string; modelId: string } =>
  id === undefined ? { modelId } : { id, modelId };
