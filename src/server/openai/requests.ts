/**
 * Bodies of OpenAI's API as asks. A setting that would change the reply and cannot be followed is refused by name;
 * settings that only concern OpenAI's own service (`user`, `store`, `service_tier`, ...) are ignored.
 * Extensions that other open servers have too: `top_k`, and `continue_final_message` for a begun reply.
 */
import { z } from 'zod';
import type { Json } from '../../core/values.ts';
import type { Ask, ImagePart, Message, Tool, ToolCall } from '../../models/index.ts';
import { badRequest } from './errors.ts';

const number = (low: number, high: number) => z.number().min(low).max(high).nullish();
const count = (high: number) => z.number().int().min(0).max(high).nullish();
const json = z.custom<Json>((value) => value !== undefined);

const sampling = {
  model: z.string().max(1000).optional(),
  max_tokens: count(10_000_000),
  temperature: number(0, 100),
  top_p: number(0, 1),
  top_k: count(10_000_000),
  seed: z.number().int().min(Number.MIN_SAFE_INTEGER).max(Number.MAX_SAFE_INTEGER).nullish(),
  stop: z.union([z.string().min(1).max(1000), z.array(z.string().min(1).max(1000)).max(16)]).nullish(),
  stream: z.boolean().nullish(),
  stream_options: z.looseObject({ include_usage: z.boolean().nullish() }).nullish(),
  n: z.number().nullish(),
  best_of: z.number().nullish(),
  presence_penalty: z.number().nullish(),
  frequency_penalty: z.number().nullish(),
  logit_bias: z.record(z.string(), z.number()).nullish(),
};

const textPart = z.looseObject({ type: z.literal('text'), text: z.string() });
const imagePart = z.looseObject({
  type: z.literal('image_url'),
  image_url: z.union([z.string(), z.looseObject({ url: z.string() })]),
});
const refusalPart = z.looseObject({ type: z.literal('refusal'), refusal: z.string() });
const content = z.union([z.string(), z.array(z.union([textPart, imagePart, refusalPart])).max(1000)]);

const message = z.discriminatedUnion('role', [
  z.looseObject({ role: z.enum(['system', 'developer', 'user']), content }),
  z.looseObject({
    role: z.literal('assistant'),
    content: content.nullish(),
    tool_calls: z
      .array(
        z.looseObject({
          id: z.string().min(1).max(200),
          function: z.looseObject({ name: z.string().min(1).max(200), arguments: z.string() }),
        }),
      )
      .max(1000)
      .nullish(),
  }),
  z.looseObject({ role: z.literal('tool'), content, tool_call_id: z.string().max(200), name: z.string().nullish() }),
]);

const chatBody = z.looseObject({
  ...sampling,
  messages: z.array(message).min(1).max(10_000),
  max_completion_tokens: count(10_000_000),
  logprobs: z.boolean().nullish(),
  top_logprobs: count(20),
  tools: z
    .array(
      z.looseObject({
        type: z.literal('function'),
        function: z.looseObject({
          name: z.string().regex(/^[\w.-]{1,128}$/),
          description: z.string().nullish(),
          parameters: json.optional(),
        }),
      }),
    )
    .max(256)
    .nullish(),
  tool_choice: json.nullish(),
  functions: json.nullish(),
  response_format: z
    .looseObject({ type: z.string(), json_schema: z.looseObject({ schema: json.optional() }).nullish() })
    .nullish(),
  continue_final_message: z.boolean().nullish(),
});

const completionBody = z.looseObject({
  ...sampling,
  prompt: z.union([z.string(), z.array(z.string()).min(1).max(32)]),
  echo: z.boolean().nullish(),
  logprobs: count(20),
  suffix: z.string().nullish(),
});

const embeddingBody = z.looseObject({
  model: z.string().max(1000).optional(),
  input: z.union([z.string(), z.array(z.string()).min(1).max(256)]),
  encoding_format: z.enum(['float', 'base64']).nullish(),
  dimensions: z.number().nullish(),
});

/** What all generating requests share. */
export interface Wanted {
  readonly model: string | undefined;
  readonly isStreamed: boolean;
  readonly hasUsageChunk: boolean;
}

export interface ChatRequest extends Wanted {
  readonly ask: Ask;
}

export interface CompletionRequest extends Wanted {
  readonly prompts: readonly string[];
  readonly isEchoed: boolean;
  readonly settings: Omit<Ask, 'messages'>;
}

export interface EmbeddingRequest {
  readonly model: string | undefined;
  readonly texts: readonly string[];
  readonly isBase64: boolean;
}

/** @throws RequestError 400 that names the field */
export function readChat(body: unknown): ChatRequest {
  const given = parse(chatBody, body);
  refuseUnfollowed(given);
  if (given.functions !== undefined && given.functions !== null) {
    throw badRequest('functions is not supported; name tools instead', 'functions');
  }
  const choice = given.tool_choice ?? 'auto';
  if (choice !== 'auto' && choice !== 'none') {
    throw badRequest('tool_choice can be "auto" or "none"; a call cannot be forced', 'tool_choice');
  }
  const tools = choice === 'none' ? [] : (given.tools ?? []);
  if (given.top_logprobs !== undefined && given.top_logprobs !== null && given.logprobs !== true) {
    throw badRequest('top_logprobs needs logprobs: true', 'top_logprobs');
  }
  const messages = given.messages.map(messageOf);
  const last = messages.at(-1)!;
  const isBegun = given.continue_final_message === true && last.role === 'assistant';
  const format = given.response_format;
  return {
    ...wantedOf(given),
    ask: {
      messages: isBegun ? messages.slice(0, -1) : messages,
      ...(isBegun ? { prefix: last.content } : {}),
      ...samplingOf(given, given.max_completion_tokens ?? given.max_tokens),
      ...(tools.length === 0 ? {} : { tools: tools.map(toolOf) }),
      ...(given.logprobs === true ? { logprobs: given.top_logprobs ?? 0 } : {}),
      ...(format === undefined || format === null || format.type === 'text' ? {} : { schema: schemaOf(format) }),
    },
  };
}

/** @throws RequestError 400 that names the field */
export function readCompletion(body: unknown): CompletionRequest {
  const given = parse(completionBody, body);
  refuseUnfollowed(given);
  if (given.suffix !== undefined && given.suffix !== null) throw badRequest('suffix is not supported', 'suffix');
  const prompts = typeof given.prompt === 'string' ? [given.prompt] : given.prompt;
  const wanted = wantedOf(given);
  if (wanted.isStreamed && (prompts.length > 1 || given.echo === true)) {
    throw badRequest('only one prompt without echo can be streamed', prompts.length > 1 ? 'prompt' : 'echo');
  }
  return {
    ...wanted,
    prompts,
    isEchoed: given.echo === true,
    settings: {
      ...samplingOf(given, given.max_tokens ?? 16),
      ...(given.logprobs === undefined || given.logprobs === null ? {} : { logprobs: given.logprobs }),
    },
  };
}

/** @throws RequestError 400 that names the field */
export function readEmbedding(body: unknown): EmbeddingRequest {
  const given = parse(embeddingBody, body);
  if (given.dimensions !== undefined && given.dimensions !== null) {
    throw badRequest('dimensions is not supported: vectors have the width of the model', 'dimensions');
  }
  const texts = typeof given.input === 'string' ? [given.input] : given.input;
  const at = texts.indexOf('');
  if (at >= 0) throw badRequest(`input ${at} is empty`, 'input');
  return { model: given.model, texts, isBase64: given.encoding_format === 'base64' };
}

function parse<T>(schema: z.ZodType<T>, body: unknown): T {
  const result = schema.safeParse(body);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  const path = issue?.path.join('.') ?? '';
  throw badRequest(
    `${path === '' ? 'The body' : path}: ${issue?.message ?? 'not as the API has it'}`,
    path || undefined,
  );
}

type Sampling = z.infer<z.ZodObject<typeof sampling>>;

function refuseUnfollowed(given: Sampling): void {
  if ((given.n ?? 1) !== 1) throw badRequest(`n is ${given.n}: one reply a request; send it again for another`, 'n');
  if ((given.best_of ?? 1) !== 1) throw badRequest('best_of is not supported', 'best_of');
  for (const name of ['presence_penalty', 'frequency_penalty'] as const) {
    if ((given[name] ?? 0) !== 0) throw badRequest(`${name} is not supported; leave it out or give 0`, name);
  }
  if (Object.keys(given.logit_bias ?? {}).length > 0) throw badRequest('logit_bias is not supported', 'logit_bias');
}

const wantedOf = (given: Sampling): Wanted => ({
  model: given.model,
  isStreamed: given.stream === true,
  hasUsageChunk: given.stream_options?.include_usage === true,
});

function samplingOf(given: Sampling, maxTokens: number | null | undefined): Omit<Ask, 'messages'> {
  const { temperature, top_p: topP, top_k: topK, seed, stop } = given;
  return {
    ...(maxTokens === undefined || maxTokens === null ? {} : { maxTokens }),
    // A nucleus of nothing is, as at OpenAI, the most likely token.
    ...(topP === 0 ? { temperature: 0 } : temperature === undefined || temperature === null ? {} : { temperature }),
    ...(topP === undefined || topP === null || topP === 0 || topP === 1 ? {} : { topP }),
    ...(topK === undefined || topK === null || topK === 0 ? {} : { topK }),
    ...(seed === undefined || seed === null ? {} : { seed }),
    ...(stop === undefined || stop === null || stop.length === 0
      ? {}
      : { stop: typeof stop === 'string' ? [stop] : stop }),
  };
}

type GivenMessage = z.infer<typeof message>;

function messageOf(given: GivenMessage): Message {
  const { text, images } = contentOf(given.content);
  switch (given.role) {
    case 'assistant': {
      const calls = (given.tool_calls ?? []).map(callOf);
      return { role: 'assistant', content: text, ...(calls.length === 0 ? {} : { calls }) };
    }
    case 'tool': {
      const tool = typeof given.name === 'string' ? { tool: given.name } : {};
      return { role: 'tool', content: text, callId: given.tool_call_id, ...tool };
    }
    default: {
      const role = given.role === 'user' ? 'user' : 'system';
      return { role, content: text, ...(images.length === 0 ? {} : { images }) };
    }
  }
}

function contentOf(given: z.infer<typeof content> | null | undefined): { text: string; images: ImagePart[] } {
  if (given === undefined || given === null) return { text: '', images: [] };
  if (typeof given === 'string') return { text: given, images: [] };
  const images: ImagePart[] = [];
  let text = '';
  for (const part of given) {
    if (part.type === 'text') text += part.text;
    else if (part.type === 'refusal') text += part.refusal;
    else images.push(imageOf(typeof part.image_url === 'string' ? part.image_url : part.image_url.url));
  }
  return { text, images };
}

/** Only pictures inside the request: this server fetches nothing. */
function imageOf(url: string): ImagePart {
  const match = /^data:(image\/[\w.+-]+);base64,([A-Za-z0-9+/=\s]*)$/.exec(url);
  if (match === null) {
    throw badRequest('image_url must be a data: URL in base64; this server fetches nothing', 'messages');
  }
  return { mediaType: match[1]!, bytes: new Uint8Array(Buffer.from(match[2]!, 'base64')) };
}

function callOf(given: {
  readonly id: string;
  readonly function: { readonly name: string; readonly arguments: string };
}): ToolCall {
  let input: Json;
  try {
    input = JSON.parse(given.function.arguments) as Json;
  } catch {
    // What a model wrote as arguments may be no JSON; it is then its own text, as ToolCall has it.
    input = given.function.arguments;
  }
  return { id: given.id, tool: given.function.name, input };
}

type GivenTool = NonNullable<z.infer<typeof chatBody>['tools']>[number];

const toolOf = ({ function: { name, description, parameters } }: GivenTool): Tool => ({
  name,
  description: description ?? '',
  input: parameters ?? { type: 'object', properties: {} },
});

function schemaOf(format: NonNullable<z.infer<typeof chatBody>['response_format']>): Json {
  if (format.type === 'json_schema') return format.json_schema?.schema ?? {};
  if (format.type === 'json_object') return { type: 'object' };
  throw badRequest(`response_format.type is ${JSON.stringify(format.type)}`, 'response_format');
}
