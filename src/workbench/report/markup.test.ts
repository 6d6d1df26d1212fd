/** Nothing that comes from data becomes markup, whatever it is. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { element, render, styleSheet, visible } from './markup.ts';

const back: Readonly<Record<string, string>> = { '&amp;': '&', '&lt;': '<', '&gt;': '>', '&quot;': '"', '&#39;': "'" };
const unescaped = (text: string): string => text.replaceAll(/&(?:amp|lt|gt|quot|#39);/g, (entity) => back[entity]!);

it('any text is text again when it is read, inside an element and inside an attribute', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 60 }), (text) => {
      const made = render(element('p', { title: text }, text));
      const match = /^<p title="([^"]*)">([^<]*)<\/p>$/.exec(made);
      expect(match).not.toBeNull();
      expect(unescaped(match![1]!)).toBe(visible(text));
      expect(unescaped(match![2]!)).toBe(visible(text));
    }),
    { numRuns: 60 },
  );
});

it('what cannot be seen is shown by its code point', () => {
  expect(visible('a\u202Eb\u0000\uFEFF\u{E0041}\uD800 c\td\r\n')).toBe(
    'a\u27E8U+202E\u27E9b\u27E8U+0000\u27E9\u27E8U+FEFF\u27E9\u27E8U+E0041\u27E9\u27E8U+D800\u27E9 c\td\n',
  );
});

it('an attribute stands without a value, or not at all', () => {
  expect(render(element('details', { open: true, hidden: false, id: undefined }))).toBe('<details open></details>');
  expect(render(element('meta', { charset: 'utf-8' }))).toBe('<meta charset="utf-8">');
});

it('a style sheet cannot end its element', () => {
  expect(() => styleSheet('a{}</style>')).toThrow('a style sheet holds');
});
