/**
 * A gate for streamed text that lets whole words through.
 *
 * What a guard reads must not depend on how the text was cut into events, and nothing may be shown before it was read.
 * So an unfinished word is held back, with whatever comes after it, until the next character ends it; the reader gets
 * text that cannot change any more, and a halt falls at the same character however the text arrived.
 */
import type { ReplyEvent } from '../model.ts';
import { cutText } from './guarded.ts';

/** Which of the reply's texts is read. A tool call is read as the JSON of its input, whole. */
export type Channel = 'text' | 'reasoning' | 'call';

/**
 * Reads the next whole words with what stands between them, in their order.
 *
 * @returns how many characters of them may still be shown, where the reply is to be halted; undefined to go on
 */
export type GateReader = (text: string, channel: Channel) => number | undefined | Promise<number | undefined>;

export interface GateStep {
  readonly pass: ReplyEvent[];
  readonly isHalted: boolean;
}

export interface TextGate {
  /** @returns what may be passed on now, and whether the reader halted */
  push(event: Exclude<ReplyEvent, { type: 'verdict' }>): Promise<GateStep>;
}

/** @example const gate = textGate((text) => (text.includes('stop') ? text.indexOf('stop') : undefined)); */
export function textGate(read: GateReader): TextGate {
  let held: ReplyEvent[] = [];
  /** The unfinished word of each channel; its pieces are among what is held. */
  const tails = { text: '', reasoning: '' };

  const halt = (queue: readonly ReplyEvent[], channel: Channel, shown: number): ReplyEvent[] => {
    const pass: ReplyEvent[] = [];
    let left = shown;
    for (const event of queue) {
      if (event.type !== channel || !('text' in event)) {
        pass.push(event);
        continue;
      }
      if (event.text.length <= left) {
        pass.push(event);
        left -= event.text.length;
        continue;
      }
      if (left > 0)
        pass.push(event.type === 'text' ? cutText(event, left)[0] : { ...event, text: event.text.slice(0, left) });
      break;
    }
    return pass;
  };

  /** Takes a channel's unfinished word as finished. */
  const finish = async (channel: 'text' | 'reasoning'): Promise<GateStep | undefined> => {
    const tail = tails[channel];
    tails[channel] = '';
    const shown = tail === '' ? undefined : await read(tail, channel);
    return shown === undefined ? undefined : { pass: halt(held, channel, shown), isHalted: true };
  };

  const release = (rest: readonly ReplyEvent[] = []): GateStep => {
    const pass = [...held, ...rest];
    held = [];
    return { pass, isHalted: false };
  };

  return {
    async push(event) {
      if (event.type === 'end') return (await finish('reasoning')) ?? (await finish('text')) ?? release();
      if (event.type === 'tool-call') {
        if ((await read(JSON.stringify(event.call.input), 'call')) !== undefined)
          return { pass: [...held], isHalted: true };
        if (held.length === 0) return { pass: [event], isHalted: false };
        held.push(event);
        return { pass: [], isHalted: false };
      }
      const channel = event.type;
      const stopped = await finish(channel === 'text' ? 'reasoning' : 'text');
      if (stopped !== undefined) return stopped;

      const all = tails[channel] + event.text;
      const cut = all.length - (unfinished.exec(all)?.[0].length ?? 0);
      const shown = cut === 0 ? undefined : await read(all.slice(0, cut), channel);
      if (shown !== undefined) return { pass: halt([...held, event], channel, shown), isHalted: true };
      const before = Math.max(0, cut - tails[channel].length);
      tails[channel] = all.slice(cut);
      if (cut === 0) {
        held.push(event);
        return { pass: [], isHalted: false };
      }
      if (before === event.text.length) return release([event]);
      const [whole, rest] =
        event.type === 'text'
          ? cutText(event, before)
          : [
              { ...event, text: event.text.slice(0, before) },
              { ...event, text: event.text.slice(before) },
            ];
      const released = release([whole]);
      held = [rest];
      return released;
    },
  };
}

/** Letters and digits at the very end: a word that may still grow. */
const unfinished = /[\p{L}\p{M}\p{N}]+$/u;
