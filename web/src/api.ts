/**
 * The server as the screens see it: a client typed by the routes themselves, failures as one error, and what every
 * request carries so that the server knows that this page made it.
 */
import { hc } from 'hono/client';
import type { Api } from '../../src/server/types.ts';

export interface Self {
  readonly name: string;
  readonly role: 'viewer' | 'labeller' | 'operator';
  readonly word: string;
  readonly isOpen: boolean;
  readonly store: string;
}

let word = '';
const wordHeader = 'x-fiducial-word';

export const api = hc<Api>('/api', { headers: () => ({ [wordHeader]: word }) });

/** What the server could not do, and the way out. */
export class ApiError extends Error {
  override readonly name = 'ApiError';
  readonly code: string;
  readonly hint: string;

  constructor(code: string, message: string, hint: string) {
    super(message);
    this.code = code;
    this.hint = hint;
  }
}

interface Answer<T> {
  readonly ok: boolean;
  readonly status: number;
  json(): Promise<T>;
}

/**
 * The body of an answer. A session that ended leads to the login.
 *
 * @throws ApiError
 * @example const { items } = await take(api.runs.$get({ query: {} }));
 */
export async function take<T>(asked: Promise<Answer<T>>): Promise<T> {
  const answer = await asked;
  if (answer.ok) return await answer.json();
  if (answer.status === 401) location.assign('/login');
  throw await errorOf(answer);
}

async function errorOf(answer: Answer<unknown>): Promise<ApiError> {
  const body = (await answer.json().catch(() => undefined)) as
    | { readonly error?: { readonly code: string; readonly message: string; readonly hint: string } }
    | undefined;
  const { code, message, hint } = body?.error ?? {
    code: 'web.no-answer',
    message: `The server answered ${answer.status}`,
    hint: '',
  };
  return new ApiError(code, message, hint);
}

/** Who is logged in; its word goes with every later request. */
export async function begin(): Promise<Self> {
  const self = await take(api.session.$get());
  word = self.word;
  return self;
}

/**
 * The events that a model's reply streams, for a request that a plain EventSource cannot make.
 *
 * @throws ApiError
 */
export async function* streamed<T>(path: string, body: unknown, signal: AbortSignal): AsyncGenerator<T> {
  const answer = await fetch(path, {
    method: 'POST',
    body: JSON.stringify(body),
    headers: { 'content-type': 'application/json', [wordHeader]: word },
    signal,
  });
  if (!answer.ok || answer.body === null) throw await errorOf(answer);
  let text = '';
  for await (const piece of readAll(answer.body.pipeThrough(new TextDecoderStream()))) {
    text += piece;
    for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
      const frame = text.slice(0, end);
      text = text.slice(end + 2);
      const data = /^data: (.*)$/m.exec(frame)?.[1];
      if (data === undefined) continue;
      const value: unknown = JSON.parse(data);
      const { error } = value as { readonly error?: { code: string; message: string; hint: string } };
      if (error !== undefined) throw new ApiError(error.code, error.message, error.hint);
      yield value as Awaited<T>;
    }
  }
}

/** Not every browser iterates a stream by itself. */
async function* readAll<T>(stream: ReadableStream<T>): AsyncGenerator<T> {
  const reader = stream.getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      yield value;
    }
  } finally {
    await reader.cancel();
  }
}
