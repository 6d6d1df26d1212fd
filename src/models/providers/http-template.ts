/**
 * A user's own product endpoint as a model, described by a template: how to ask it, and where in its answer the reply is.
 *
 * Read from a YAML or JSON file. It goes through the same guarded fetch as every provider, so that an endpoint that lies
 * is an error with a reason. Streams are server-sent events (WHATWG HTML, section 9.2) or JSON lines.
 */
import { readFile } from 'node:fs/promises';
import { parse } from 'yaml';
import { z } from 'zod';
import { FiducialError, nearestWord, show } from '../../core/errors.ts';
import type { Json } from '../../core/values.ts';
import { checkAsk } from '../capabilities.ts';
import { endpointError, statusError } from '../failure.ts';
import type { Ask, Capabilities, EndReason, Model, ReplyEvent } from '../model.ts';
import { readRateHeaders } from '../rate-headers.ts';
import { asPrompt, estimateUsage, plainChat } from '../reply.ts';
import { abortReason } from '../wrap.ts';
import { createFetch } from './fetch.ts';
import type { FetchLimits } from './fetch-limits.ts';
import { asHeaderText, asJsonText, asUrlPart, compileSelector, fillJson, fillText, type Values } from './selector.ts';
import { readEvents } from './sse.ts';
import { checkUrl, publicAddress, readKey } from './vendors.ts';

const flag = z.boolean().optional();
const templateShape = z.strictObject({
  /** Shown in the model's id. */
  name: z.string().regex(/^[\w.-]+$/),
  method: z.enum(['GET', 'POST', 'PUT']).default('POST'),
  url: z.string(),
  headers: z.record(z.string(), z.string()).default({}),
  /** A JSON tree, or a text whose values are JSON-escaped. */
  body: z.json().optional(),
  /** Where the reply's text is in the answer; absent when the whole answer is the text. */
  reply: z.string().optional(),
  reasoning: z.string().optional(),
  /** Where an error that comes with status 200 is. */
  error: z.string().optional(),
  ended: z.string().optional(),
  usage: z.strictObject({ input: z.string(), output: z.string() }).optional(),
  /** Where the text of one event is, when the endpoint streams. */
  stream: z.strictObject({ text: z.string().optional(), done: z.string().optional() }).optional(),
  capabilities: z
    .strictObject({
      tools: flag,
      schema: flag,
      images: flag,
      logprobs: flag,
      seed: flag,
      prefix: flag,
      reasoning: flag,
    })
    .optional(),
});

/**
 * A template. Placeholders: `{{prompt}}` (one text), `{{last}}` (the last user message), `{{system}}`, `{{messages}}`
 * (a list of { role, content }), `{{temperature}}`, `{{maxTokens}}`, `{{seed}}`, `{{stop}}`, `{{schema}}`, `{{tools}}`,
 * `{{env.NAME}}`.
 */
export type HttpTemplate = z.input<typeof templateShape>;

export interface HttpTemplateOptions {
  readonly limits?: Partial<FetchLimits>;
  readonly env?: Readonly<Record<string, string | undefined>>;
}

/** Reads a template file and makes its model. @throws FiducialError `template.unreadable`, `template.invalid` */
export async function readHttpTemplate(path: string, options: HttpTemplateOptions = {}): Promise<Model> {
  let data: unknown;
  try {
    data = parse(await readFile(path, 'utf8'));
  } catch (cause) {
    throw new FiducialError(
      'template.unreadable',
      `The template ${path} cannot be read: ${messageOf(cause)}`,
      'Mend it.',
      {
        cause,
      },
    );
  }
  return httpTemplate(data, options, path);
}

/**
 * A model from a template.
 *
 * @throws FiducialError `template.invalid`, `model.missing-key`, `model.invalid-address`
 * @example httpTemplate({ name: 'shop-bot', url: 'http://localhost:3000/chat',
 *   body: { message: '{{prompt}}' }, reply: 'answer.text' });
 */
export function httpTemplate(data: unknown, options: HttpTemplateOptions = {}, origin = 'template'): Model {
  const parsed = templateShape.safeParse(data);
  if (!parsed.success) throw invalid(origin, parsed.error);
  const template = parsed.data;
  const env = environmentValues(template, options);
  const shownUrl = template.url.replace(/\{\{[^}]*\}\}/g, 'x');
  const base = checkUrl(shownUrl, `http:${origin}`);
  if (/^[^/]*\/\/[^/]*\{\{/.test(template.url)) {
    throw new FiducialError(
      'template.invalid',
      `${origin}: the host of ${show(template.url)} is a placeholder`,
      'Write the host out: where prompts are sent must not depend on them.',
    );
  }
  const select = {
    reply: template.reply === undefined ? undefined : compileSelector(template.reply),
    reasoning: template.reasoning === undefined ? undefined : compileSelector(template.reasoning),
    error: template.error === undefined ? undefined : compileSelector(template.error),
    ended: template.ended === undefined ? undefined : compileSelector(template.ended),
    input: template.usage === undefined ? undefined : compileSelector(template.usage.input),
    output: template.usage === undefined ? undefined : compileSelector(template.usage.output),
    piece: template.stream?.text === undefined ? undefined : compileSelector(template.stream.text),
  };
  const isStreamed = template.stream !== undefined;
  const fetch = createFetch(isStreamed ? 'events' : select.reply === undefined ? 'text' : 'json', options.limits);
  const id = `http:${template.name}`;
  const where = base.host;
  const capabilities: Capabilities = { ...plainChat, ...dropUndefined(template.capabilities ?? {}) };

  async function* reply(ask: Ask, signal: AbortSignal): AsyncGenerator<ReplyEvent> {
    checkAsk(id, capabilities, ask);
    const values: Values = { ...askValues(ask), ...env };
    const body = typeof template.body === 'string' ? fillText(template.body, values, asJsonText) : undefined;
    const tree = template.body === undefined || body !== undefined ? undefined : fillJson(template.body, values);
    const response = await fetch(fillText(template.url, values, asUrlPart), {
      method: template.method,
      headers: {
        ...(template.body === undefined ? {} : { 'content-type': 'application/json' }),
        ...Object.fromEntries(
          Object.entries(template.headers).map(([name, value]) => [name, fillText(value, values, asHeaderText)]),
        ),
      },
      ...(template.body === undefined ? {} : { body: body ?? JSON.stringify(tree) }),
      signal,
    });
    if (!response.ok) {
      const words = (await response.text()).replace(/\s+/g, ' ').slice(0, 300);
      const rate = readRateHeaders(Object.fromEntries(response.headers), Date.now());
      throw statusError(
        response.status,
        where,
        words,
        rate?.retryAfterMs === undefined ? {} : { retryAfterMs: rate.retryAfterMs },
      );
    }
    if (isStreamed) yield* streamed(response, ask);
    else yield* whole(await response.text(), ask);
  }

  function* whole(text: string, ask: Ask): Generator<ReplyEvent> {
    if (select.reply === undefined) {
      yield { type: 'text', text };
      yield { type: 'end', reason: 'stop', usage: estimateUsage(ask, text) };
      return;
    }
    const answer = parseJson(text, where);
    checkError(answer);
    const found = textOf(select.reply(answer));
    if (found === undefined) {
      throw endpointError(
        'endpoint.wrong-shape',
        `${where}: nothing is at ${template.reply} in ${show(answer, 200)}`,
        `Change "reply" in ${origin} to where the text is.`,
        { maybeBilled: true },
      );
    }
    const reasoning = textOf(select.reasoning?.(answer));
    if (reasoning !== undefined && reasoning !== '') yield { type: 'reasoning', text: reasoning };
    yield { type: 'text', text: found };
    yield { type: 'end', reason: endReason(select.ended?.(answer)), usage: usageOf(answer, ask, found) };
  }

  async function* streamed(response: Response, ask: Ask): AsyncGenerator<ReplyEvent> {
    let written = '';
    let last: Json = null;
    let reason: EndReason = 'stop';
    let isDone = template.stream?.done === undefined;
    if (response.body === null) throw incomplete();
    for await (const data of readEvents(response.body)) {
      if (data === template.stream?.done) {
        isDone = true;
        break;
      }
      let piece: string | undefined;
      if (select.piece === undefined) piece = data;
      else {
        const event = parseJson(data, where);
        checkError(event);
        last = event;
        piece = textOf(select.piece(event));
        const ended = select.ended?.(event);
        if (ended !== undefined && ended !== null) reason = endReason(ended);
        const thought = textOf(select.reasoning?.(event));
        if (thought !== undefined && thought !== '') yield { type: 'reasoning', text: thought };
      }
      if (piece === undefined || piece === '') continue;
      written += piece;
      yield { type: 'text', text: piece };
    }
    if (!isDone) throw incomplete();
    yield { type: 'end', reason, usage: usageOf(last, ask, written) };
  }

  function checkError(answer: Json): void {
    const error = select.error?.(answer);
    if (error === undefined || error === null || error === false || error === '') return;
    throw endpointError(
      'endpoint.error-in-reply',
      `${where} answered with an error inside: ${show(error, 300)}`,
      'Read the endpoint’s words.',
      { maybeBilled: true },
    );
  }

  function usageOf(answer: Json, ask: Ask, written: string) {
    const input = select.input?.(answer);
    const output = select.output?.(answer);
    return typeof input === 'number' && typeof output === 'number'
      ? { inputTokens: input, outputTokens: output }
      : estimateUsage(ask, written);
  }

  const incomplete = () =>
    endpointError(
      'endpoint.incomplete',
      `${where} ended its stream without ${show(template.stream?.done)}`,
      'Try again; if the endpoint never sends that, leave "done" out of the template.',
      { retriable: true, maybeBilled: true },
    );

  return {
    id,
    capabilities,
    endpoint: { kind: 'http', address: publicAddress(base), host: base.hostname },
    async *reply(ask, signal) {
      try {
        yield* reply(ask, signal);
      } catch (error) {
        throw signal.aborted ? abortReason(signal) : error;
      }
    },
  };
}

function askValues(ask: Ask): Values {
  const { messages } = ask;
  const system = messages
    .filter((message) => message.role === 'system')
    .map((message) => message.content)
    .join('\n\n');
  return {
    prompt: asPrompt(messages),
    last: messages.findLast((message) => message.role === 'user')?.content ?? '',
    system,
    messages: messages.map(({ role, content }) => ({ role, content })),
    temperature: ask.temperature,
    topP: ask.topP,
    maxTokens: ask.maxTokens,
    seed: ask.seed,
    stop: ask.stop,
    schema: ask.schema,
    tools: ask.tools as unknown as Json | undefined,
    prefix: ask.prefix,
  };
}

/** The environment's values that the template names; read once, when the model is made, so that a missing key is told early. */
function environmentValues(template: z.output<typeof templateShape>, options: HttpTemplateOptions): Values {
  const values: Record<string, Json> = {};
  for (const [, name] of JSON.stringify(template).matchAll(/\{\{\s*env\.(\w+)\s*\}\}/g)) {
    values[`env.${name}`] = readKey([name!], options, `The template of http:${template.name}`);
  }
  return values;
}

function textOf(value: Json | undefined): string | undefined {
  if (typeof value === 'string') return value;
  if (typeof value === 'number' || typeof value === 'boolean') return String(value);
  if (Array.isArray(value)) return value.map((item: Json) => textOf(item) ?? '').join('');
  return undefined;
}

function endReason(value: Json | undefined): EndReason {
  const word = typeof value === 'string' ? value.toLowerCase() : '';
  if (/length|max/.test(word)) return 'length';
  if (/filter|block|safety|refus/.test(word)) return 'blocked';
  return 'stop';
}

function parseJson(text: string, where: string): Json {
  try {
    return JSON.parse(text) as Json;
  } catch {
    throw endpointError(
      'endpoint.not-json',
      `${where} answered with broken JSON: ${show(text, 120)}`,
      'Check the URL; if the answer is meant to be plain text, leave "reply" out of the template.',
      { maybeBilled: true },
    );
  }
}

function invalid(origin: string, error: z.ZodError): FiducialError {
  const [issue] = error.issues;
  const unknown = issue?.code === 'unrecognized_keys' ? issue.keys[0] : undefined;
  const meant = unknown === undefined ? undefined : nearestWord(unknown, Object.keys(templateShape.shape));
  return new FiducialError(
    'template.invalid',
    `${origin}: ${issue === undefined ? 'not a template' : `${issue.path.join('.') || 'the template'}: ${issue.message}`}`,
    meant === undefined
      ? 'A template has name, url, and usually body and reply: { name, url, body: { message: "{{prompt}}" }, reply: "answer" }.'
      : `Did you mean ${meant}?`,
  );
}

function dropUndefined(flags: Readonly<Record<string, boolean | undefined>>): Partial<Capabilities> {
  return Object.fromEntries(Object.entries(flags).filter(([, value]) => value !== undefined));
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
