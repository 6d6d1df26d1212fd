/**
 * Models behind the Vercel AI SDK's provider objects (`LanguageModelV3`, the packages @ai-sdk/*), asked directly: an Ask
 * becomes their call, their result becomes our events.
 *
 * `generateText` is left out: its retries, telemetry and steps are the wrappers' work here, and cost a third of a
 * millisecond of CPU a call. A reply that nobody reads as it is written is asked for whole, which is cheaper and whole
 * or not at all. The SDK's errors carry the request and the response; of them only status and the endpoint's own words
 * are kept.
 */
import type { OpenAICompatibleProvider } from '@ai-sdk/openai-compatible';
import { FiducialError, show } from '../../core/errors.ts';
import type { Json } from '../../core/values.ts';
import { checkAsk } from '../capabilities.ts';
import { endpointError } from '../failure.ts';
import type {
  Ask,
  CallTrace,
  Capabilities,
  Endpoint,
  EndReason,
  Message,
  Model,
  ReplyEvent,
  TokenLogprob,
  Usage,
} from '../model.ts';
import { estimateUsage } from '../reply.ts';
import { abortReason, checkAborted } from '../wrap.ts';
import {
  asBlocked,
  checkBody,
  checkFinish,
  explain,
  incomplete,
  isRecord,
  noteHeaders,
  streamError,
} from './sdk-errors.ts';

/** The SDK's model contract; taken from a provider's face, because the package that declares it is not ours to import. */
export type LanguageModel = ReturnType<OpenAICompatibleProvider['chatModel']>;
type Call = Parameters<LanguageModel['doGenerate']>[0];
type Prompt = Call['prompt'];
type Generated = Awaited<ReturnType<LanguageModel['doGenerate']>>;
type StreamPart =
  Awaited<ReturnType<LanguageModel['doStream']>>['stream'] extends ReadableStream<infer Part> ? Part : never;
type FinishReason = Generated['finishReason'];
type ProviderOptions = NonNullable<Call['providerOptions']>;

export interface SdkModelSettings {
  readonly id: string;
  readonly capabilities: Capabilities;
  readonly endpoint: Endpoint;
  /** The same model over a fetch that expects one document, and over one that expects events. */
  readonly whole: LanguageModel;
  readonly streamed: LanguageModel;
  /** `when-asked`: only for asks that want events while the model writes. @default 'when-asked' */
  readonly stream?: StreamUse;
  /** Where the provider finds its own options and puts its metadata: `openai`, `anthropic`, ... */
  readonly optionsName: string;
  /** Further options for the provider. */
  readonly providerOptions?: Readonly<Record<string, Json>>;
  /** How this provider is asked for log-probabilities. */
  readonly logprobOptions?: (alternatives: number) => Readonly<Record<string, Json>>;
}

export type StreamUse = 'when-asked' | 'always' | 'never';

/** A model over a pair of the SDK's provider objects. */
export function sdkModel(settings: SdkModelSettings): Model {
  const { id, capabilities, endpoint, whole, streamed, stream = 'when-asked' } = settings;
  const where = endpoint.host ?? id;
  return {
    id,
    capabilities,
    endpoint,
    async *reply(ask, signal, options) {
      checkAsk(id, capabilities, ask);
      checkAborted(signal);
      const call = toCall(ask, settings, signal);
      const trace = options?.trace;
      const isStreamed = stream === 'always' || (stream === 'when-asked' && options?.incremental === true);
      try {
        if (isStreamed) yield* streamEvents(streamed, call, ask, where, trace, settings);
        else yield* wholeEvents(await whole.doGenerate(call), ask, where, trace, settings);
      } catch (error) {
        if (signal.aborted) throw abortReason(signal);
        const blocked = asBlocked(error);
        if (blocked === undefined) throw explain(error, where);
        yield* blocked;
      }
    },
  };
}

function* wholeEvents(
  result: Generated,
  ask: Ask,
  where: string,
  trace: CallTrace | undefined,
  settings: SdkModelSettings,
): Generator<ReplyEvent> {
  noteHeaders(result.response?.headers, trace);
  checkBody(result.response?.body, where);
  checkFinish(result.finishReason, where, true);
  const logprobs = readLogprobs(result.providerMetadata, settings.optionsName);
  requireLogprobs(ask, logprobs, where);
  let written = '';
  let texts = 0;
  for (const part of result.content) {
    if (part.type === 'text') {
      written += part.text;
      yield texts++ === 0 && logprobs !== undefined
        ? { type: 'text', text: part.text, logprobs }
        : { type: 'text', text: part.text };
    } else if (part.type === 'reasoning') yield { type: 'reasoning', text: part.text };
    else if (part.type === 'tool-call') {
      yield { type: 'tool-call', call: { id: part.toolCallId, tool: part.toolName, input: parseInput(part.input) } };
    }
  }
  if (texts === 0) {
    const refusal = readRefusal(result.response?.body) ?? '';
    written += refusal;
    if (refusal !== '' || logprobs !== undefined) {
      yield { type: 'text', text: refusal, ...(logprobs === undefined ? {} : { logprobs }) };
    }
  }
  yield end(result.finishReason, readUsage(result.usage, ask, written), result.response?.id, result.response?.modelId);
}

async function* streamEvents(
  model: LanguageModel,
  call: Call,
  ask: Ask,
  where: string,
  trace: CallTrace | undefined,
  settings: SdkModelSettings,
): AsyncGenerator<ReplyEvent> {
  const result = await model.doStream(call);
  noteHeaders(result.response?.headers, trace);
  const reader = result.stream.getReader();
  let written = '';
  let replyId: string | undefined;
  let modelId: string | undefined;
  let isFinished = false;
  try {
    for (;;) {
      const next = await reader.read();
      if (next.done) break;
      const part: StreamPart = next.value;
      switch (part.type) {
        case 'text-delta':
          written += part.delta;
          if (part.delta !== '') yield { type: 'text', text: part.delta };
          break;
        case 'reasoning-delta':
          if (part.delta !== '') yield { type: 'reasoning', text: part.delta };
          break;
        case 'tool-call':
          yield {
            type: 'tool-call',
            call: { id: part.toolCallId, tool: part.toolName, input: parseInput(part.input) },
          };
          break;
        case 'response-metadata':
          replyId = part.id ?? replyId;
          modelId = part.modelId ?? modelId;
          break;
        case 'error':
          throw streamError(part.error, where);
        case 'finish': {
          isFinished = true;
          checkFinish(part.finishReason, where, false);
          const logprobs = readLogprobs(part.providerMetadata, settings.optionsName);
          requireLogprobs(ask, logprobs, where);
          // Providers give them with the end of a stream; a last, empty piece carries them to the fold.
          if (logprobs !== undefined) yield { type: 'text', text: '', logprobs };
          yield end(part.finishReason, readUsage(part.usage, ask, written), replyId, modelId);
          break;
        }
        default:
          break;
      }
    }
  } finally {
    // Also when the consumer stops early: the connection must not stay open behind its back.
    reader.cancel().catch(() => {});
  }
  if (!isFinished) throw incomplete(where);
}

/** An Ask as the SDK's call. */
function toCall(ask: Ask, settings: SdkModelSettings, signal: AbortSignal): Call {
  const { capabilities, optionsName, logprobOptions } = settings;
  const options: Record<string, Json> = {
    ...settings.providerOptions,
    ...(ask.logprobs === undefined ? {} : logprobOptions?.(ask.logprobs)),
  };
  return {
    prompt: toPrompt(ask),
    abortSignal: signal,
    ...(ask.maxTokens === undefined ? {} : { maxOutputTokens: ask.maxTokens }),
    ...(ask.temperature === undefined ? {} : { temperature: ask.temperature }),
    ...(ask.topP === undefined ? {} : { topP: ask.topP }),
    ...(ask.topK === undefined ? {} : { topK: ask.topK }),
    ...(ask.stop === undefined ? {} : { stopSequences: [...ask.stop] }),
    ...(ask.seed === undefined || !capabilities.seed ? {} : { seed: ask.seed }),
    ...(ask.schema === undefined
      ? {}
      : { responseFormat: { type: 'json' as const, schema: ask.schema as JsonSchema, name: 'reply' } }),
    ...(ask.tools === undefined || ask.tools.length === 0
      ? {}
      : {
          tools: ask.tools.map((tool) => ({
            type: 'function' as const,
            name: tool.name,
            description: tool.description,
            inputSchema: tool.input as JsonSchema,
          })),
        }),
    ...(Object.keys(options).length === 0
      ? {}
      : { providerOptions: { [optionsName]: options } as unknown as ProviderOptions }),
  };
}

type JsonSchema = Extract<NonNullable<Call['tools']>[number], { type: 'function' }>['inputSchema'];

function toPrompt(ask: Ask): Prompt {
  const prompt: Prompt = ask.messages.map((message) => toMessage(message));
  if (ask.prefix !== undefined) prompt.push({ role: 'assistant', content: [{ type: 'text', text: ask.prefix }] });
  return prompt;
}

function toMessage(message: Message): Prompt[number] {
  const { role, content } = message;
  switch (role) {
    case 'system':
      return { role, content };
    case 'user': {
      const images = (message.images ?? []).map((image) => ({
        type: 'file' as const,
        data: image.bytes,
        mediaType: image.mediaType,
      }));
      const words = content === '' && images.length > 0 ? [] : [{ type: 'text' as const, text: content }];
      return { role, content: [...words, ...images] };
    }
    case 'assistant': {
      const calls = (message.calls ?? []).map((call) => ({
        type: 'tool-call' as const,
        toolCallId: call.id,
        toolName: call.tool,
        input: call.input,
      }));
      const words = content === '' && calls.length > 0 ? [] : [{ type: 'text' as const, text: content }];
      return { role, content: [...words, ...calls] };
    }
    default:
      if (message.callId === undefined) {
        throw new FiducialError(
          'model.invalid-ask',
          `A tool message without callId: ${show(content)}`,
          'Set callId to the id of the call that it answers, and tool to the tool’s name.',
        );
      }
      return {
        role: 'tool',
        content: [
          {
            type: 'tool-result',
            toolCallId: message.callId,
            toolName: message.tool ?? 'tool',
            output: { type: 'text', value: content },
          },
        ],
      };
  }
}

function end(
  reason: FinishReason,
  usage: Usage,
  replyId: string | undefined,
  modelId: string | undefined,
): Extract<ReplyEvent, { type: 'end' }> {
  return {
    type: 'end',
    reason: endReasons[reason.unified] ?? 'stop',
    usage,
    ...(replyId === undefined ? {} : { replyId }),
    ...(modelId === undefined ? {} : { modelId }),
  };
}

const endReasons: Readonly<Record<string, EndReason>> = {
  stop: 'stop',
  length: 'length',
  'tool-calls': 'tool-calls',
  'content-filter': 'blocked',
  // What remains (`other`, a malformed call that the model wrote) is the model's way to stop, and its text stands.
};

function readUsage(usage: Generated['usage'], ask: Ask, written: string): Usage {
  const { inputTokens, outputTokens } = usage;
  if (inputTokens.total === undefined && outputTokens.total === undefined) return estimateUsage(ask, written);
  return {
    inputTokens: inputTokens.total ?? 0,
    outputTokens: outputTokens.total ?? 0,
    ...(inputTokens.cacheRead === undefined || inputTokens.cacheRead === 0
      ? {}
      : { cachedInputTokens: inputTokens.cacheRead }),
    ...(outputTokens.reasoning === undefined || outputTokens.reasoning === 0
      ? {}
      : { reasoningTokens: outputTokens.reasoning }),
  };
}

/** Tool input as JSON; what the model wrote, as a string, where it is not JSON. */
function parseInput(input: string): Json {
  if (input.trim() === '') return {};
  try {
    return JSON.parse(input) as Json;
  } catch {
    return input;
  }
}

interface WireLogprob {
  token: string;
  logprob: number;
  top_logprobs?: readonly { token: string; logprob: number }[] | null;
}

/** Log-probabilities in the form of OpenAI's API, flat (chat) or one list a content part (responses). */
function readLogprobs(metadata: unknown, optionsName: string): TokenLogprob[] | undefined {
  const own = isRecord(metadata) ? metadata[optionsName] : undefined;
  const listed = isRecord(own) ? own['logprobs'] : undefined;
  if (!Array.isArray(listed) || listed.length === 0) return undefined;
  const tokens: TokenLogprob[] = [];
  for (const item of listed.flat() as unknown[]) {
    if (!isWireLogprob(item)) continue;
    const alternatives = item.top_logprobs?.map(({ token, logprob }) => ({ token, logprob }));
    tokens.push({
      token: item.token,
      logprob: item.logprob,
      ...(alternatives === undefined || alternatives.length === 0 ? {} : { alternatives }),
    });
  }
  return tokens;
}

function requireLogprobs(ask: Ask, logprobs: TokenLogprob[] | undefined, where: string): void {
  if (ask.logprobs === undefined || logprobs !== undefined) return;
  throw endpointError(
    'endpoint.no-logprobs',
    `${where} was asked for log-probabilities and gave none`,
    'Set capabilities: { logprobs: false } for this model, or turn them on at the server.',
    { maybeBilled: true },
  );
}

/** The refusal that OpenAI's format keeps apart from the text; the openai-compatible package drops it. */
function readRefusal(body: unknown): string | undefined {
  const choices = isRecord(body) ? body['choices'] : undefined;
  const first: unknown = Array.isArray(choices) ? choices[0] : undefined;
  const message = isRecord(first) ? first['message'] : undefined;
  const refusal = isRecord(message) ? message['refusal'] : undefined;
  return typeof refusal === 'string' && refusal !== '' ? refusal : undefined;
}

function isWireLogprob(value: unknown): value is WireLogprob {
  return isRecord(value) && typeof value['token'] === 'string' && typeof value['logprob'] === 'number';
}
