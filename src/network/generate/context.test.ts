/** A reply behind a control token begins without the blank that its first token carries. */
import { expect, it } from 'vitest';
import { describe } from '../index.ts';
import { tokenizerFromJson } from '../tokenizer/index.ts';
import { Row } from './request.ts';
import { RANDOM_CONFIGURATIONS } from './random-model.ts';

const pieces = ['<bot>', '\u2581no', '\u2581yes'];
const tokenizer = tokenizerFromJson({
  added_tokens: [{ id: 0, content: '<bot>', special: true, normalized: false }],
  normalizer: {
    type: 'Sequence',
    normalizers: [
      { type: 'Prepend', prepend: '\u2581' },
      { type: 'Replace', pattern: { String: ' ' }, content: '\u2581' },
    ],
  },
  decoder: {
    type: 'Sequence',
    decoders: [
      { type: 'Fuse' },
      { type: 'Replace', pattern: { String: '\u2581' }, content: ' ' },
      { type: 'Strip', content: ' ', start: 1, stop: 0 },
    ],
  },
  model: { type: 'Unigram', unk_id: 0, vocab: pieces.map((piece) => [piece, -1]) },
});

async function replyTo(prompt: readonly number[], next: readonly number[]): Promise<string> {
  const description = describe({ ...RANDOM_CONFIGURATIONS.llama, vocab_size: pieces.length });
  const row = new Row({ prompt, maxTokens: next.length, temperature: 0 }, 'reply', description, tokenizer, []);
  for (const id of next) row.take(Float32Array.from(pieces, (_, i) => (i === id ? 1 : 0)));
  let text = '';
  while (row.events.size > 0) text += (await row.events.next()).text;
  return text;
}

it('has no blank behind a control token, and has one behind ordinary text', async () => {
  expect(await replyTo([1, 0], [2, 1])).toBe('yes no');
  expect(await replyTo([0, 1], [2, 1])).toBe(' yes no');
});
