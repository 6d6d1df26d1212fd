/**
 * The providers of the Vercel AI SDK as models: any OpenAI-compatible server, OpenAI, Anthropic, Google.
 *
 * What each can do is declared from the vendors' API references and can be overridden for a server that does more or
 * less. OpenAI is asked through chat completions, which have seeds, stop words and log-probabilities; `api: 'responses'`
 * chooses the newer interface, which gives reasoning summaries instead. Base URLs are always explicit, so that what
 * `describeEgress` says is where the request goes.
 */
import { FiducialError } from '../../core/errors.ts';
import type { Json } from '../../core/values.ts';
import type { Capabilities, Endpoint, Model } from '../model.ts';
import { plainChat } from '../reply.ts';
import { createFetch } from './fetch.ts';
import type { FetchLimits } from './fetch-limits.ts';
import { type LanguageModel, sdkModel, type StreamUse } from './sdk.ts';

export interface EndpointOptions {
  readonly baseUrl?: string;
  /** Name of the environment variable that holds the key; the key itself is never an option. */
  readonly keyEnv?: string;
  /** Further headers; `${NAME}` stands for an environment variable. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Further fields of the request's body (OpenAI-compatible) or provider options (vendors). */
  readonly body?: Readonly<Record<string, Json>>;
  /** What this server can do, where it differs from what is assumed. */
  readonly capabilities?: Partial<Capabilities>;
  readonly limits?: Partial<FetchLimits>;
  readonly stream?: StreamUse;
  /** OpenAI's interface. @default 'chat' */
  readonly api?: 'chat' | 'responses';
  /** @default process.env */
  readonly env?: Readonly<Record<string, string | undefined>>;
}

/**
 * A model of any server that speaks OpenAI's chat completions: vLLM, llama.cpp, Ollama, LM Studio, gateways.
 *
 * Tools, schemas, seeds and log-probabilities are assumed; images and a begun reply are not. A server may lack any of
 * them: say so in `capabilities`.
 * @param baseUrl usually ends in /v1
 * @throws FiducialError `model.invalid-address`, `model.missing-key`
 * @example await openaiCompatible('http://localhost:8000/v1', 'my-model', { capabilities: { images: true } });
 */
export async function openaiCompatible(baseUrl: string, model: string, options: EndpointOptions = {}): Promise<Model> {
  const { createOpenAICompatible } = await import('@ai-sdk/openai-compatible');
  const url = checkUrl(baseUrl, `openai-compatible:${baseUrl}#${model}`);
  const apiKey = options.keyEnv === undefined ? undefined : readKey([options.keyEnv], options, baseUrl);
  const make = (expected: 'json' | 'events'): LanguageModel =>
    createOpenAICompatible({
      name: compatibleName,
      baseURL: publicAddress(url),
      // Some gateways want a version in the query; it may as well be a key, so it stays out of names and addresses.
      queryParams: Object.fromEntries(url.searchParams),
      ...(apiKey === undefined ? {} : { apiKey }),
      headers: fillHeaders(options.headers, options),
      fetch: createFetch(expected, options.limits),
      includeUsage: true,
      supportsStructuredOutputs: true,
      metadataExtractor: logprobExtractor,
    }).chatModel(model);
  return sdkModel({
    id: `openai-compatible:${publicAddress(url)}#${model}`,
    capabilities: {
      ...plainChat,
      tools: true,
      schema: true,
      logprobs: true,
      seed: true,
      reasoning: true,
      ...options.capabilities,
    },
    endpoint: httpEndpoint(url),
    whole: make('json'),
    streamed: make('events'),
    optionsName: compatibleName,
    logprobOptions: (alternatives) => ({ logprobs: true, ...(alternatives > 0 ? { top_logprobs: alternatives } : {}) }),
    ...common(options),
  });
}

/**
 * A model of OpenAI's API; the key comes from OPENAI_API_KEY.
 * @throws FiducialError `model.missing-key`
 */
export async function openai(model: string, options: EndpointOptions = {}): Promise<Model> {
  const { createOpenAI } = await import('@ai-sdk/openai');
  const { url, apiKey } = vendor('openai', model, options);
  const isChat = options.api !== 'responses';
  const make = (expected: 'json' | 'events'): LanguageModel => {
    const provider = createOpenAI({
      baseURL: trimSlash(url.href),
      apiKey,
      headers: fillHeaders(options.headers, options),
      fetch: createFetch(expected, options.limits),
    });
    return isChat ? provider.chat(model) : provider.responses(model);
  };
  return sdkModel({
    id: `openai:${model}`,
    capabilities: {
      ...plainChat,
      tools: true,
      schema: true,
      images: true,
      logprobs: true,
      seed: isChat,
      reasoning: !isChat,
      ...options.capabilities,
    },
    endpoint: httpEndpoint(url),
    whole: make('json'),
    streamed: make('events'),
    optionsName: 'openai',
    // The responses interface takes no 0: one alternative is the least that it gives.
    logprobOptions: (alternatives) => ({ logprobs: isChat ? alternatives : Math.max(1, alternatives) }),
    ...common(options),
  });
}

/**
 * A model of Anthropic's API; the key comes from ANTHROPIC_API_KEY. It has no seeds and no log-probabilities.
 *
 * A begun reply (`prefix`) is assumed, which its newest models refuse: set `capabilities: { prefix: false }` for those.
 * @throws FiducialError `model.missing-key`
 */
export async function anthropic(model: string, options: EndpointOptions = {}): Promise<Model> {
  const { createAnthropic } = await import('@ai-sdk/anthropic');
  const { url, apiKey } = vendor('anthropic', model, options);
  const make = (expected: 'json' | 'events'): LanguageModel =>
    createAnthropic({
      baseURL: trimSlash(url.href),
      apiKey,
      headers: fillHeaders(options.headers, options),
      fetch: createFetch(expected, options.limits),
    }).languageModel(model);
  return sdkModel({
    id: `anthropic:${model}`,
    capabilities: {
      ...plainChat,
      tools: true,
      schema: true,
      images: true,
      prefix: true,
      reasoning: true,
      ...options.capabilities,
    },
    endpoint: httpEndpoint(url),
    whole: make('json'),
    streamed: make('events'),
    optionsName: 'anthropic',
    ...common(options),
  });
}

/**
 * A model of Google's Gemini API; the key comes from GOOGLE_GENERATIVE_AI_API_KEY or GEMINI_API_KEY. The SDK passes no
 * log-probabilities for it.
 * @throws FiducialError `model.missing-key`
 */
export async function google(model: string, options: EndpointOptions = {}): Promise<Model> {
  const { createGoogleGenerativeAI } = await import('@ai-sdk/google');
  const { url, apiKey } = vendor('google', model, options);
  const make = (expected: 'json' | 'events'): LanguageModel =>
    createGoogleGenerativeAI({
      baseURL: trimSlash(url.href),
      apiKey,
      headers: fillHeaders(options.headers, options),
      fetch: createFetch(expected, options.limits),
    }).languageModel(model);
  return sdkModel({
    id: `google:${model}`,
    capabilities: {
      ...plainChat,
      tools: true,
      schema: true,
      images: true,
      seed: true,
      reasoning: true,
      ...options.capabilities,
    },
    endpoint: httpEndpoint(url),
    whole: make('json'),
    streamed: make('events'),
    optionsName: 'google',
    ...common(options),
  });
}

/** Values of configured headers and the key, by name, so that a redactor can know them. */
export function endpointSecrets(options: EndpointOptions): Record<string, string> {
  const secrets: Record<string, string> = {};
  for (const [name, value] of Object.entries(fillHeaders(options.headers, options))) {
    if (!publicHeaders.has(name.toLowerCase())) secrets[`header ${name}`] = value.replace(/^(Bearer|Basic) /i, '');
  }
  const env = options.env ?? process.env;
  const key = options.keyEnv === undefined ? undefined : env[options.keyEnv];
  if (options.keyEnv !== undefined && key !== undefined) secrets[options.keyEnv] = key;
  return secrets;
}

/** Headers with `${NAME}` filled from the environment. @throws FiducialError `model.missing-key` */
export function fillHeaders(
  headers: Readonly<Record<string, string>> | undefined,
  options: { readonly env?: Readonly<Record<string, string | undefined>> },
): Record<string, string> {
  const filled: Record<string, string> = {};
  for (const [name, value] of Object.entries(headers ?? {})) {
    filled[name] = value.replace(/\$\{(\w+)\}/g, (_, variable: string) =>
      readKey([variable], options, `header ${name}`),
    );
  }
  return filled;
}

/** The first of these environment variables that is set. @throws FiducialError `model.missing-key` */
export function readKey(
  names: readonly string[],
  options: { readonly env?: Readonly<Record<string, string | undefined>> },
  what: string,
): string {
  const env = options.env ?? process.env;
  for (const name of names) {
    const key = env[name];
    if (key === undefined || key === '') continue;
    // A key with a line break (a file pasted whole) would be an invalid header, and the error would show it.
    if (!/^[\x21-\x7e]+( [\x21-\x7e]+)*$/.test(key)) {
      throw new FiducialError('model.missing-key', `${name} holds characters that no key has`, `Set ${name} again.`);
    }
    return key;
  }
  throw new FiducialError(
    'model.missing-key',
    `${what} needs a key, and ${names.join(' or ')} is not set`,
    `export ${names[0]}=…   (or put it into a file for node --env-file)`,
  );
}

function vendor(name: keyof typeof vendors, model: string, options: EndpointOptions) {
  const known = vendors[name];
  const env = options.env ?? process.env;
  const url = checkUrl(options.baseUrl ?? env[known.urlEnv] ?? known.baseUrl, `${name}:${model}`);
  const names = options.keyEnv === undefined ? known.keyEnv : [options.keyEnv];
  return { url, apiKey: readKey(names, options, `${name}:${model}`) };
}

/** Addresses and variables as the vendors document them. */
const vendors = {
  openai: { baseUrl: 'https://api.openai.com/v1', urlEnv: 'OPENAI_BASE_URL', keyEnv: ['OPENAI_API_KEY'] },
  anthropic: { baseUrl: 'https://api.anthropic.com/v1', urlEnv: 'ANTHROPIC_BASE_URL', keyEnv: ['ANTHROPIC_API_KEY'] },
  google: {
    baseUrl: 'https://generativelanguage.googleapis.com/v1beta',
    urlEnv: 'GOOGLE_GENERATIVE_AI_BASE_URL',
    keyEnv: ['GOOGLE_GENERATIVE_AI_API_KEY', 'GEMINI_API_KEY'],
  },
};

function common(options: EndpointOptions) {
  return {
    ...(options.stream === undefined ? {} : { stream: options.stream }),
    ...(options.body === undefined ? {} : { providerOptions: options.body }),
  };
}

function httpEndpoint(url: URL): Endpoint {
  return { kind: 'http', address: publicAddress(url), host: url.hostname };
}

/** A URL without what may be secret in it. */
export function publicAddress(url: URL): string {
  return trimSlash(`${url.origin}${url.pathname}`);
}

/** @throws FiducialError `model.invalid-address` */
export function checkUrl(address: string, what: string): URL {
  const url = URL.canParse(address) ? new URL(address) : undefined;
  if (url === undefined || (url.protocol !== 'http:' && url.protocol !== 'https:')) {
    throw new FiducialError(
      'model.invalid-address',
      `${what}: ${JSON.stringify(address.slice(0, 120))} is not an http address`,
      'Write it whole, for example http://localhost:8000/v1.',
    );
  }
  if (url.username !== '' || url.password !== '') {
    throw new FiducialError(
      'model.invalid-address',
      `${what.replace(/\/\/[^/@]*@/, '//…@')}: the address holds a user name or password`,
      'Put it into an environment variable and a header: headers: { authorization: "Basic ${MY_BASIC}" }.',
    );
  }
  return url;
}

function trimSlash(address: string): string {
  return address.replace(/\/+$/, '');
}

/** OpenAI's log-probabilities, which the openai-compatible package leaves to its caller. */
const logprobExtractor = {
  extractMetadata: ({ parsedBody }: { parsedBody: unknown }) =>
    Promise.resolve(logprobMetadata(chunkLogprobs(parsedBody))),
  createStreamExtractor() {
    const all: Json[] = [];
    return {
      processChunk: (chunk: unknown) => void all.push(...chunkLogprobs(chunk)),
      buildMetadata: () => logprobMetadata(all),
    };
  },
};

function chunkLogprobs(body: unknown): Json[] {
  const choice = (body as { choices?: { logprobs?: { content?: Json[] | null } | null }[] } | null)?.choices?.[0];
  const content = choice?.logprobs?.content;
  return Array.isArray(content) ? content : [];
}

function logprobMetadata(logprobs: Json[]) {
  return logprobs.length === 0 ? undefined : { [compatibleName]: { logprobs: logprobs as never } };
}

const compatibleName = 'endpoint';

/** Headers whose values are no secrets. */
const publicHeaders = new Set([
  'accept',
  'content-type',
  'user-agent',
  'anthropic-version',
  'anthropic-beta',
  'openai-beta',
]);
