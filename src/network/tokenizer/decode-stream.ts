/**
 * Decoding token by token, for streaming: a piece of text comes out as soon as later tokens can't change it.
 *
 * A character's bytes may lie in several tokens, and a decoder may treat the first token of a text differently, so a
 * token can't be decoded alone. The window below holds the tokens since the last piece that came out and those of that
 * piece as context, as Hugging Face's `DecodeStream` does; where the window's text doesn't continue what came out (a
 * decoder that looks further back), the whole text is decoded instead, so the joined pieces always equal `decode`.
 */

/** Takes ids, gives text. */
export interface DecodeStream {
  /** The text that is certain after `id`; often empty in the middle of a character. */
  push(id: number): string;
  /** The text still held back; incomplete characters come out as U+FFFD. The stream then starts anew. */
  flush(): string;
}

/** Bytes of an incomplete character decode to this. */
const REPLACEMENT = '\ufffd';

/**
 * A stream over a decoder of whole id lists.
 *
 * @param decode the text of a list of ids
 */
export function decodeStreamOf(decode: (ids: readonly number[]) => string): DecodeStream {
  let ids: number[] = [];
  /** Ids from here on are decoded; those up to `settled` have come out. */
  let from = 0;
  let settled = 0;
  let emitted = '';

  function pending(): string {
    const context = decode(ids.slice(from, settled));
    const window = decode(ids.slice(from));
    if (window.startsWith(context)) return window.slice(context.length);
    const whole = decode(ids);
    return whole.startsWith(emitted) ? whole.slice(emitted.length) : '';
  }

  return {
    push(id) {
      ids.push(id);
      const text = pending();
      if (text === '' || text.endsWith(REPLACEMENT)) return '';
      from = settled;
      settled = ids.length;
      emitted += text;
      return text;
    },
    flush() {
      const whole = decode(ids);
      const rest = whole.startsWith(emitted) ? whole.slice(emitted.length) : pending();
      ids = [];
      from = 0;
      settled = 0;
      emitted = '';
      return rest;
    },
  };
}
