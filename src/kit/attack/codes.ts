/**
 * Codes that hide a request's words from a filter and keep them readable for a model: plain functions with their
 * inverses. After the encodings that Wei et al. (2023) call mismatched generalisation.
 */

export interface Code {
  readonly name: string;
  readonly title: string;
  /** One sentence that tells the reader how to read it. */
  readonly explain: string;
  readonly encode: (text: string) => string;
  /** @returns what was encoded, or another text where the input is in no such code */
  readonly decode: (text: string) => string;
}

export const codes: readonly Code[] = [
  {
    name: 'spelled',
    title: 'letter by letter',
    explain: 'The next line is spelled letter by letter, words apart by a slash.',
    encode: (text) =>
      words(text)
        .map((word) => [...word].join('-'))
        .join(' / '),
    decode: (text) =>
      text
        .split(' / ')
        .map((word) => word.replaceAll(/(?<=.)-(?=.)/gu, ''))
        .join(' '),
  },
  {
    name: 'reversed',
    title: 'back to front',
    explain: 'The next line is written back to front.',
    encode: reverse,
    decode: reverse,
  },
  {
    name: 'rotated',
    title: 'letters moved by thirteen places',
    explain: 'In the next line every letter is moved by thirteen places in the alphabet.',
    encode: rotate,
    decode: rotate,
  },
  {
    name: 'base64',
    title: 'as base64',
    explain: 'The next line is base64 of a text in UTF-8.',
    encode: (text) => Buffer.from(text, 'utf8').toString('base64'),
    decode: (text) => Buffer.from(text, 'base64').toString('utf8'),
  },
  {
    name: 'digits',
    title: 'digits in place of letters',
    explain: 'In the next line some letters are written as digits that look like them.',
    encode: (text) => text.replaceAll(/[aeiost]/gi, (letter) => digitOf[letter.toLowerCase()]!),
    decode: (text) => text.replaceAll(/[431057]/g, (digit) => letterOf[digit]!),
  },
];

function words(text: string): string[] {
  return text.split(/\s+/).filter((word) => word !== '');
}

function reverse(text: string): string {
  return [...text].reverse().join('');
}

function rotate(text: string): string {
  return text.replaceAll(/[a-z]/gi, (letter) => {
    const base = letter <= 'Z' ? 65 : 97;
    return String.fromCodePoint(((letter.codePointAt(0)! - base + 13) % 26) + base);
  });
}

const digitOf: Readonly<Record<string, string>> = { a: '4', e: '3', i: '1', o: '0', s: '5', t: '7' };
const letterOf = Object.fromEntries(Object.entries(digitOf).map(([letter, digit]) => [digit, letter]));
