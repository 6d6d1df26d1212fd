/** Prompts and continuations of a tokenizer that writes a blank before every text, as Llama's does. */
import { describe, expect, it } from 'vitest';
import { tokenizerFromJson } from '../../network/tokenizer/index.ts';
import { encodeContinuation, promptOf } from './prompt.ts';

const pieces = ['<s>', '<user>', '<bot>', '\u2581Sure', 'Sure', '\u2581no', '\u2581', '\n', ...Array.from('SurenoHi.')];
const base = tokenizerFromJson({
  added_tokens: pieces.slice(0, 3).map((content, id) => ({ id, content, special: true, normalized: false })),
  normalizer: {
    type: 'Sequence',
    normalizers: [
      { type: 'Prepend', prepend: '\u2581' },
      { type: 'Replace', pattern: { String: ' ' }, content: '\u2581' },
    ],
  },
  decoder: { type: 'Fuse' },
  model: {
    type: 'Unigram',
    unk_id: 0,
    vocab: [...new Set(pieces)].map((piece) => [piece, piece.length > 1 ? -1 : -10]),
  },
});
const tokenizer = Object.assign(base, {
  chatTemplate:
    '{% for m in messages %}<user>{{ m.content }}{% endfor %}{% if add_generation_prompt %}<bot>{% endif %}',
});
const text = (ids: readonly number[]) => ids.map((id) => tokenizer.tokenOf(id));

describe('encodeContinuation', () => {
  it('begins a text behind a control token, as the whole text tokenized at once does', () => {
    const bot = tokenizer.idOf('<bot>')!;
    const whole = tokenizer.encode('<bot>Sure no', { specialTokens: 'control' });
    expect([bot, ...encodeContinuation(tokenizer, 'Sure no', bot)]).toEqual(whole);
    expect(text(whole)).toEqual(['<bot>', '\u2581Sure', '\u2581no']);
  });

  it('goes on without a blank behind ordinary text', () => {
    expect(text(encodeContinuation(tokenizer, 'Sure', tokenizer.idOf('\u2581no')))).toEqual(['Sure']);
    expect(text(encodeContinuation(tokenizer, 'Sure'))).toEqual(['Sure']);
    expect(text(encodeContinuation(tokenizer, ' no', tokenizer.idOf('Sure')))).toEqual(['\u2581no']);
  });

  it('lets the text make no control token', () => {
    const ids = encodeContinuation(tokenizer, '<bot>no', tokenizer.idOf('<bot>'));
    expect(ids).not.toContain(tokenizer.idOf('<bot>'));
  });
});

it("a prompt's prefix follows its last token", () => {
  const { ids, prefix } = promptOf(
    { messages: [{ role: 'user', content: 'Hi.' }], prefix: 'Sure' },
    tokenizer,
    'template',
    'planted',
  );
  expect(text(ids.slice(-1))).toEqual(['<bot>']);
  expect(text(prefix)).toEqual(['\u2581Sure']);
});
