/**
 * A TypeScript or JavaScript function as a model: `./bot.ts#reply`.
 *
 * The function gets the ask and a signal and gives a text, the parts of a reply, or a stream of texts or events. It runs
 * inside this process with all of its rights: it is the user's own code. TypeScript is loaded through tsx where Node
 * itself does not strip types.
 */
import { access } from 'node:fs/promises';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { FiducialError, nearestWord, show } from '../../core/errors.ts';
import { checkAsk } from '../capabilities.ts';
import { endpointError } from '../failure.ts';
import type { Ask, Capabilities, Endpoint, Model, ReplyEvent } from '../model.ts';
import { estimateUsage, plainChat } from '../reply.ts';
import { checkAborted } from '../wrap.ts';
import { replyEvents, type ReplyParts } from './reply-value.ts';

type Given = string | ReplyParts;
/** What may be used as a model. */
export type ReplyFunction = (
  ask: Ask,
  signal: AbortSignal,
) => Given | Promise<Given> | AsyncIterable<string | ReplyEvent> | Promise<AsyncIterable<string | ReplyEvent>>;

export interface FunctionOptions {
  /** @default all but images, log-probabilities and a begun reply */
  readonly capabilities?: Partial<Capabilities>;
  /** Where its asks go, for what is told before a run. */
  readonly endpoint?: Endpoint;
}

/**
 * A model from a function.
 *
 * @example functionModel('echo', (ask) => ask.messages.at(-1)!.content);
 */
export function functionModel(id: string, reply: ReplyFunction, options: FunctionOptions = {}): Model {
  const capabilities: Capabilities = {
    ...plainChat,
    tools: true,
    schema: true,
    seed: true,
    reasoning: true,
    ...options.capabilities,
  };
  return {
    id,
    capabilities,
    ...(options.endpoint === undefined ? {} : { endpoint: options.endpoint }),
    async *reply(ask, signal) {
      checkAsk(id, capabilities, ask);
      checkAborted(signal);
      const given = await reply(ask, signal);
      if (isStream(given)) yield* streamEvents(given, ask);
      else yield* replyEvents(given, ask);
    },
  };
}

/**
 * Loads `module#export`; without an export, the default one.
 *
 * @throws FiducialError `function.not-found`, `function.failed`, `function.no-export`
 * @example await loadFunction('./bot.ts#reply');
 */
export async function loadFunction(address: string, options: FunctionOptions = {}): Promise<Model> {
  const hash = address.lastIndexOf('#');
  const path = hash === -1 ? address : address.slice(0, hash);
  const name = hash === -1 ? 'default' : address.slice(hash + 1);
  const file = resolve(path);
  try {
    await access(file);
  } catch {
    throw new FiducialError(
      'function.not-found',
      `There is no module ${show(path)}`,
      'Write function:./file.ts#export.',
    );
  }
  let module: Readonly<Record<string, unknown>>;
  try {
    module = await load(file);
  } catch (cause) {
    throw new FiducialError(
      'function.failed',
      `${path} cannot be loaded: ${cause instanceof Error ? cause.message : String(cause)}`,
      'Run the file by itself to see where it fails.',
      { cause },
    );
  }
  // In a folder without "type": "module" TypeScript becomes CommonJS, whose exports all hang on its default.
  const inner = module['default'];
  const nested = isRecord(inner) ? inner : {};
  const found = Object.hasOwn(nested, name) ? nested[name] : module[name];
  if (typeof found !== 'function') {
    const meant = nearestWord(name, Object.keys(module));
    throw new FiducialError(
      'function.no-export',
      `${path} exports no function ${show(name)}`,
      meant === undefined
        ? `It exports ${Object.keys(module).join(', ') || 'nothing'}.`
        : `Did you mean ${path}#${meant}?`,
    );
  }
  return functionModel(`function:${path}#${name}`, found as ReplyFunction, {
    endpoint: { kind: 'function', address: `${path}#${name}` },
    ...options,
  });
}

async function load(file: string): Promise<Readonly<Record<string, unknown>>> {
  const url = pathToFileURL(file).href;
  const stripsTypes = (process.features as { readonly typescript?: unknown }).typescript;
  if (!/\.[cm]?tsx?$/.test(file) || (stripsTypes !== undefined && stripsTypes !== false)) {
    return (await import(url)) as Readonly<Record<string, unknown>>;
  }
  const { tsImport } = await import('tsx/esm/api');
  return (await tsImport(url, import.meta.url)) as Readonly<Record<string, unknown>>;
}

async function* streamEvents(given: AsyncIterable<string | ReplyEvent>, ask: Ask): AsyncGenerator<ReplyEvent> {
  let written = '';
  let isEnded = false;
  for await (const piece of given) {
    if (typeof piece === 'string') {
      written += piece;
      yield { type: 'text', text: piece };
      continue;
    }
    if (typeof piece !== 'object' || piece === null || typeof piece.type !== 'string') {
      throw endpointError('endpoint.wrong-shape', `The model's stream gave ${show(piece)}`, 'Give texts or events.');
    }
    isEnded ||= piece.type === 'end';
    if (piece.type === 'text') written += piece.text;
    yield piece;
  }
  if (!isEnded) yield { type: 'end', reason: 'stop', usage: estimateUsage(ask, written) };
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null;
}

function isStream(value: unknown): value is AsyncIterable<string | ReplyEvent> {
  return typeof value === 'object' && value !== null && Symbol.asyncIterator in value;
}
