/**
 * Markup that cannot hold what it was not meant to: every string becomes text, only what `element` made is markup.
 *
 * Whatever a model wrote is hostile. Besides the characters that mean something to HTML and XML, control characters
 * (which XML forbids and terminals obey) and the invisible ones that turn the direction of text are shown by their code
 * point, so that a reader sees that they are there. One builder serves HTML, SVG and XML.
 */

const made: unique symbol = Symbol('markup');

/** Finished markup. Only this file makes it. */
export interface Markup {
  readonly [made]: string;
}

/** What may stand inside an element. Strings and numbers are text. */
export type Content = Markup | string | number | undefined | readonly Content[];

export type Attributes = Readonly<Record<string, string | number | boolean | undefined>>;

/** HTML elements that have no end tag. */
const isVoid = new Set(['meta', 'br', 'hr', 'img', 'link', 'input', 'col']);

/**
 * An element with its attributes and contents. An attribute that is `true` stands without a value; `false` and
 * `undefined` leave it out.
 *
 * @param name a literal of the code, never data
 * @example render(element('p', { class: 'note' }, '<b>')) // '<p class="note">&lt;b&gt;</p>'
 */
export function element(name: string, attributes: Attributes = {}, ...content: readonly Content[]): Markup {
  const written = Object.entries(attributes)
    .map(([attribute, value]) => {
      if (value === undefined || value === false) return '';
      return value === true ? ` ${attribute}` : ` ${attribute}="${escaped(String(value))}"`;
    })
    .join('');
  const inner = render(content);
  if (isVoid.has(name)) return markup(`<${name}${written}>`);
  return markup(`<${name}${written}>${inner}</${name}>`);
}

/** Contents side by side, without an element around them. */
export function together(...content: readonly Content[]): Markup {
  return markup(render(content));
}

/** A style sheet of this program's own. @throws Error where it could end its element */
export function styleSheet(css: string): Markup {
  if (css.includes('<')) throw new Error('a style sheet holds "<"');
  return markup(`<style>${css}</style>`);
}

/** Contents as text of the target language. */
export function render(content: Content): string {
  if (content === undefined) return '';
  if (typeof content === 'string') return escaped(content);
  if (typeof content === 'number') return String(content);
  if (isMarkup(content)) return content[made];
  return content.map(render).join('');
}

function isMarkup(content: Content): content is Markup {
  return typeof content === 'object' && made in content;
}

function markup(text: string): Markup {
  return { [made]: text };
}

/** Text in which nothing means anything to HTML, SVG or XML, inside an element or a quoted attribute. */
export function escaped(text: string): string {
  return visible(text).replaceAll(/[&<>"']/g, (character) => entities[character]!);
}

const entities: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

/**
 * Text whose invisible characters can be seen: controls other than tab and line feed, direction marks, separators that
 * only look like spaces, halves of surrogate pairs.
 *
 * @example visible('a\u202Eb') // 'a\u27E8U+202E\u27E9b'
 */
export function visible(text: string): string {
  return text.replaceAll('\r\n', '\n').replaceAll(invisible, (character) => {
    const code = character.codePointAt(0)!.toString(16).toUpperCase().padStart(4, '0');
    return `\u27E8U+${code}\u27E9`;
  });
}

const invisible = new RegExp(
  '[' +
    String.raw`\u0000-\u0008\u000B-\u001F\u007F-\u009F` + // controls
    String.raw`\u061C\u200B\u200E\u200F\u202A-\u202E\u2060-\u2069\uFEFF` + // direction marks, joiners
    String.raw`\u2028\u2029\uFFFE\uFFFF\u{E0000}-\u{E007F}` + // separators, tags
    ']|\\p{Surrogate}',
  'gu',
);
