/**
 * Codes that hide a text and give it back: letters apart, words backwards, letters backwards.
 *
 * Each code is exact on any text: `decode(encode(text)) === text`. Oracles read a reply
 * in all of them, so that an answer in code is still an answer.
 */

export interface Code {
  readonly name: string;
  readonly encode: (text: string) => string;
  readonly decode: (text: string) => string;
}

/** Letters with a blank between them; a blank of the text becomes ` / `, and a `/` of the text `//`. */
export const spelling: Code = {
  name: 'spelling',
  encode: (text) => Array.from(text, (letter) => (letter === ' ' ? '/' : letter === '/' ? '//' : letter)).join(' '),
  // No sign holds a blank, so the blanks between them are the code's own.
  decode: (text) =>
    text
      .split(' ')
      .map((sign) => (sign === '/' ? ' ' : sign === '//' ? '/' : sign))
      .join(''),
};

/** All letters in reverse order. */
export const backwardLetters: Code = {
  name: 'backward letters',
  encode: (text) => Array.from(text).reverse().join(''),
  decode: (text) => Array.from(text).reverse().join(''),
};

/** The words in reverse order, blanks kept. */
export const backwardWords: Code = {
  name: 'backward words',
  encode: (text) => text.split(' ').reverse().join(' '),
  decode: (text) => text.split(' ').reverse().join(' '),
};

export const codes: readonly Code[] = [spelling, backwardLetters, backwardWords];

/** One way of reading a text. */
export interface Reading {
  readonly text: string;
  /** Whether words changed their order, so that denials no longer stand where they stood. */
  readonly isTurned: boolean;
}

/**
 * The text as it stands, and as each code would read it. Spelled words inside other text are read too: runs of three or
 * more single letters become words.
 */
export function readingsOf(text: string): Reading[] {
  const joined = text.replaceAll(/(?<![a-z0-9])[a-z0-9](?: [a-z0-9]){2,}(?![a-z0-9])/gi, (run) =>
    run.replaceAll(' ', ''),
  );
  const bare = text.replace(/[.!?]+$/, '');
  const straight = [...new Set([text, joined, joined.replaceAll(' / ', ' '), backwardLetters.decode(bare)])];
  return [
    ...straight.map((read) => ({ text: read, isTurned: false })),
    { text: backwardWords.decode(bare), isTurned: true },
  ];
}

/** The texts of all readings. */
export const decodings = (text: string): string[] => readingsOf(text).map((reading) => reading.text);
