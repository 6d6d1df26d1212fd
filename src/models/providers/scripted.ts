/**
 * A model that follows a script, for tests and demonstrations: replies, delays and failures in a known order.
 *
 * A script is a list, walked through by the calls as they come, or a function of the ask, which gives the same reply
 * whatever the order and is what a concurrent test wants.
 */
import { FiducialError } from '../../core/errors.ts';
import type { Ask, Capabilities, Model, ReplyEvent } from '../model.ts';
import { plainChat } from '../reply.ts';
import { checkAborted, pause } from '../wrap.ts';
import { replyEvents, type ReplyParts } from './reply-value.ts';

/** One scripted answer: a text, parts, events as they are, or an error to throw; after a delay. */
export type ScriptedReply =
  | string
  | Error
  | ReplyParts
  | { readonly events: readonly ReplyEvent[]; readonly delayMs?: number; readonly betweenMs?: number }
  | { readonly say: string | Error | ReplyParts; readonly delayMs: number };

export type Script = readonly ScriptedReply[] | ((ask: Ask, call: number) => ScriptedReply | Promise<ScriptedReply>);

export interface ScriptedOptions {
  readonly id?: string;
  /** @default everything */
  readonly capabilities?: Partial<Capabilities>;
  /** What follows the end of a list. @default 'fail' */
  readonly after?: 'fail' | 'repeat-last' | 'start-again';
}

export interface ScriptedModel extends Model {
  /** The asks so far, in the order in which they came. */
  readonly asked: readonly Ask[];
}

/**
 * @throws FiducialError (when asked) `scripted.exhausted` past the end of a list
 * @example const model = scriptedModel(['yes', new Error('down'), { say: 'late', delayMs: 50 }]);
 */
export function scriptedModel(script: Script, options: ScriptedOptions = {}): ScriptedModel {
  const { id = 'scripted', after = 'fail' } = options;
  const asked: Ask[] = [];
  const next = (ask: Ask): ScriptedReply | Promise<ScriptedReply> => {
    const call = asked.push(ask) - 1;
    if (typeof script === 'function') return script(ask, call);
    const index =
      after === 'repeat-last'
        ? Math.min(call, script.length - 1)
        : after === 'start-again' && script.length > 0
          ? call % script.length
          : call;
    const found = script[index];
    if (found !== undefined) return found;
    throw new FiducialError(
      'scripted.exhausted',
      `${id} was asked ${call + 1} times and has ${script.length} replies`,
      'Lengthen the script, or set after: "repeat-last".',
    );
  };
  return {
    id,
    asked,
    capabilities: {
      ...plainChat,
      tools: true,
      schema: true,
      images: true,
      logprobs: true,
      seed: true,
      prefix: true,
      reasoning: true,
      ...options.capabilities,
    },
    async *reply(ask, signal) {
      checkAborted(signal);
      const scripted = await next(ask);
      const delayMs = isObject(scripted) && 'delayMs' in scripted ? scripted.delayMs : undefined;
      if (delayMs !== undefined) await pause(delayMs, signal);
      if (isObject(scripted) && 'events' in scripted) {
        for (const event of scripted.events) {
          if (scripted.betweenMs !== undefined) await pause(scripted.betweenMs, signal);
          yield event;
        }
        return;
      }
      const said = isObject(scripted) && 'say' in scripted ? scripted.say : scripted;
      if (said instanceof Error) throw said;
      yield* replyEvents(said, ask);
    },
  };
}

function isObject(value: ScriptedReply): value is Exclude<ScriptedReply, string | Error> {
  return typeof value === 'object' && !(value instanceof Error);
}
