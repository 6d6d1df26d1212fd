import { readFileSync } from 'node:fs';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { FiducialError } from '../../core/errors.ts';
import { tokenizerFromJson, type Tokenizer } from './tokenizer.ts';

interface Named {
  readonly name: string;
  readonly entries: string;
  readonly tokenizer: { readonly model: object };
}

const read = (name: string): string[] =>
  readFileSync(new URL(`fixtures/${name}.jsonl`, import.meta.url), 'utf8')
    .trim()
    .split('\n');
const texts: string[] = read('texts').map((line) => JSON.parse(line));
const named: Named[] = read('tokenizers').map((line) => JSON.parse(line));
const vocabularies = new Map(
  read('vocabularies').map((line) => {
    const { entries, ...tables }: { entries: string } = JSON.parse(line);
    return [entries, tables];
  }),
);
const expected = new Map(
  read('expected').map((line) => {
    const { name, cases }: { name: string; cases: [number[], string][] } = JSON.parse(line);
    return [name, cases];
  }),
);

const files = new Map(
  named.map(({ name, entries, tokenizer }) => [
    name,
    { ...tokenizer, model: { ...tokenizer.model, ...vocabularies.get(entries) } },
  ]),
);
const tokenizers = new Map([...files].map(([name, file]) => [name, tokenizerFromJson(file, { file: name })]));
const each = [...tokenizers].map(([name, tokenizer]) => ({ name, tokenizer }));
const control = { specialTokens: 'control' } as const;

/** A vocabulary of words, for small files of one's own. */
function small(extra: Record<string, unknown>, ...words: string[]): Record<string, unknown> {
  const vocab = Object.fromEntries(['[UNK]', ...words].map((word, id) => [word, id]));
  return { model: { type: 'WordLevel', vocab, unk_token: '[UNK]' }, ...extra };
}

describe('tokenizers as the Rust library has them', () => {
  test.each(each)('$name: ids and decoded texts', ({ name, tokenizer }) => {
    for (const [i, [ids, decoded]] of expected.get(name)!.entries()) {
      expect([texts[i], tokenizer.encode(texts[i]!, control)]).toEqual([texts[i], ids]);
      expect(tokenizer.decode(ids)).toBe(decoded);
    }
  });

  test.each(each)('$name: a stream gives what decode gives', ({ name, tokenizer }) => {
    for (const [ids] of expected.get(name)!) {
      const stream = tokenizer.decodeStream();
      const text = ids.map((id) => stream.push(id)).join('') + stream.flush();
      expect(text).toBe(tokenizer.decode(ids));
    }
  });

  test.each(each)('$name: offsets lie in the text, in order, and reach its end', ({ tokenizer }) => {
    for (const text of texts) {
      const { ids, offsets } = tokenizer.encodeWithOffsets(text);
      expect(offsets.length).toBe(ids.length);
      let before = 0;
      for (const [start, end] of offsets) {
        expect(start).toBeLessThanOrEqual(end);
        expect(start).toBeGreaterThanOrEqual(0);
        expect(end).toBeLessThanOrEqual(text.length);
        expect(end).toBeGreaterThanOrEqual(before);
        before = start;
      }
    }
  });

  test('offsets cut byte-level text into its tokens', () => {
    const tokenizer = tokenizers.get('gpt2')!;
    const text = "naïve café, don't";
    const { ids, offsets } = tokenizer.encodeWithOffsets(text);
    expect(offsets.map(([start, end]) => text.slice(start, end)).join('')).toBe(text);
    expect(tokenizer.decode(ids)).toBe(text);
  });
});

describe('long texts', () => {
  test('clusters are the same wherever a window of the charsmap ends', () => {
    const tokenizer = tokenizers.get('t5')!;
    const cluster = `e${'\u0301'.repeat(300)}`;
    const word = 'か\u3099 🇩🇪 ﬁ\r\nab ';
    for (const before of [0, 1, 2, 3, 243, 244, 245, 246, 247, 250, 253, 254, 255, 256, 257]) {
      const text = `${'x'.repeat(before)} ${word}`;
      const alone = tokenizer.encode(word, { addSpecialTokens: false });
      expect(tokenizer.encode(text, { addSpecialTokens: false }).slice(-alone.length)).toEqual(alone);
      expect(tokenizer.encode(text + cluster).length).toBeGreaterThan(alone.length);
    }
  });
});

describe('special tokens in text', () => {
  test.each(each)('$name: none comes out of text, wherever it stands', ({ tokenizer }) => {
    const unknown = new Set(['<unk>', '[UNK]']);
    const controls = [...tokenizer.specialTokens].filter(([token]) => !unknown.has(token));
    for (const [token, id] of controls) {
      const around = [
        token,
        `a ${token} b`,
        `${token}${token}`,
        ` ${token}\n`,
        `x${token}`,
        `${token.slice(0, 2)}${token}`,
      ];
      for (const text of around) {
        const ids = tokenizer.encode(text, { addSpecialTokens: false });
        expect([text, ids.includes(id)]).toEqual([text, false]);
      }
    }
  });

  test('asked for, every special token is found', () => {
    for (const { tokenizer, name } of each) {
      for (const { content, id, isSpecial, isSingleWord } of tokenizer.addedTokens) {
        if (!isSpecial || isSingleWord) continue;
        expect([name, tokenizer.encode(content, { ...control, addSpecialTokens: false })]).toEqual([name, [id]]);
      }
    }
  });

  test('ordinary text around a special string is tokenized as if the token did not exist', () => {
    const file = files.get('gpt2')!;
    const without = tokenizerFromJson({ ...file, added_tokens: [] });
    const tokenizer = tokenizers.get('gpt2')!;
    const parts = fc.constantFrom('<|user|>', '<|end|>', '<|', '|>', 'the', ' ', 'user', '\n', 'é', '🙂');
    fc.assert(
      fc.property(fc.array(parts, { maxLength: 8 }), (some) => {
        expect(tokenizer.encode(some.join(''))).toEqual(without.encode(some.join('')));
      }),
    );
  });

  test('the model itself cannot make a control token from text', () => {
    const added = [{ id: 1, content: '<s>', special: true }];
    const words = tokenizerFromJson(
      small({ added_tokens: added, pre_tokenizer: { type: 'WhitespaceSplit' } }, '<s>', 'a'),
    );
    expect(words.encode('<s> a')).toEqual([0, 2]);
    expect(words.encode('<s> a', control)).toEqual([1, 2]);
    const vocab = [
      ['<unk>', 0],
      ['<s>', 9],
      ['<', -1],
      ['s', -1],
      ['>', -1],
    ];
    const unigram = tokenizerFromJson({ model: { type: 'Unigram', unk_id: 0, vocab }, added_tokens: added });
    expect(unigram.encode('<s>')).toEqual([2, 3, 4]);
    const merges = [
      ['<', 's'],
      ['<s', '>'],
    ];
    const tokens = { '<unk>': 0, '<s>': 1, '<': 2, s: 3, '>': 4, '<s': 5 };
    const bpe = tokenizerFromJson({
      model: { type: 'BPE', vocab: tokens, merges, ignore_merges: true },
      added_tokens: added,
    });
    expect(bpe.encode('<s>')).toEqual([5, 4]);
    expect(bpe.encode('<s>', control)).toEqual([1]);
    // The results for control text must not be reused for user text.
    expect(bpe.encode('<s>')).toEqual([5, 4]);
  });

  test('places can be chosen', () => {
    const tokenizer = tokenizers.get('gpt2')!;
    const ids = tokenizer.encode('<|user|>hi<|user|>', { specialTokens: (start) => start === 0 });
    expect(ids.filter((id) => id === 0)).toEqual([0]);
    expect(ids[0]).toBe(0);
  });

  test('names in the configuration count as special', () => {
    const file = small({ pre_tokenizer: { type: 'WhitespaceSplit' } }, '<eos>', 'a');
    expect(tokenizerFromJson(file, { specialTokens: ['<eos>'] }).encode('a <eos>')).toEqual([2, 0]);
    expect(tokenizerFromJson(file).encode('a <eos>')).toEqual([2, 1]);
  });
});

describe('broken files', () => {
  const bpe = { type: 'BPE', vocab: { a: 0, b: 1 }, merges: [] };
  test.each<[string, unknown]>([
    ['', 3],
    ['model is missing', {}],
    ['model is 3', { model: 3 }],
    ['model.type is "Magic"', { model: { type: 'Magic', vocab: {} } }],
    ['model.vocab is missing', { model: { type: 'BPE', merges: [] } }],
    ['model.vocab is []', { model: { type: 'WordPiece', vocab: [] } }],
    ['model.vocab["a"] is -1', { model: { type: 'WordLevel', vocab: { a: -1 } } }],
    ['model.vocab[0] is "a"', { model: { type: 'Unigram', vocab: ['a'] } }],
    ['model.unk_id is 7', { model: { type: 'Unigram', vocab: [['a', 0]], unk_id: 7 } }],
    ['model.merges is missing', { model: { type: 'BPE', vocab: {} } }],
    ['model.merges[0] is "abc"', { model: { ...bpe, merges: ['abc'] } }],
    ['model.merges[0] needs "ab"', { model: { ...bpe, merges: ['a b'] } }],
    ['normalizer.type is "Upper"', { model: bpe, normalizer: { type: 'Upper' } }],
    ['normalizer.normalizers[0].type is missing', { model: bpe, normalizer: { type: 'Sequence', normalizers: [{}] } }],
    ['precompiled_charsmap says', { model: bpe, normalizer: { type: 'Precompiled', precompiled_charsmap: '////' } }],
    ['pre_tokenizer.pattern is 3', { model: bpe, pre_tokenizer: { type: 'Split', behavior: 'Isolated', pattern: 3 } }],
    [
      'pre_tokenizer.pattern.Regex',
      { model: bpe, pre_tokenizer: { type: 'Split', behavior: 'Isolated', pattern: { Regex: '(' } } },
    ],
    ['pre_tokenizer.behavior is "x"', { model: bpe, pre_tokenizer: { type: 'Split', behavior: 'x', pattern: 'a' } }],
    ['post_processor.single is missing', { model: bpe, post_processor: { type: 'TemplateProcessing' } }],
    ['post_processor.cls is', { model: bpe, post_processor: { type: 'BertProcessing', cls: ['a'], sep: ['a', 0] } }],
    ['decoder.type is "Guess"', { model: bpe, decoder: { type: 'Guess' } }],
    ['added_tokens[0].content is missing', { model: bpe, added_tokens: [{ id: 3 }] }],
    ['added_tokens is {}', { model: bpe, added_tokens: {} }],
  ])('%s', (words, json) => {
    let thrown: unknown;
    try {
      tokenizerFromJson(json, { file: 'broken.json' });
    } catch (error) {
      thrown = error;
    }
    expect(thrown).toBeInstanceOf(FiducialError);
    expect(String(thrown)).toContain('broken.json');
    expect(String(thrown)).toContain(words);
  });

  test('mutated files give a tokenizer or a FiducialError', () => {
    const valid: Tokenizer = tokenizers.get('llama2')!;
    expect(valid.vocabularySize).toBeGreaterThan(0);
    const source = JSON.stringify({ ...files.get('bert'), model: { type: 'WordPiece', vocab: { '[UNK]': 0, a: 1 } } });
    const junk = fc.constantFrom('null', '3', '"x"', '[]', '{}', 'true', '-1');
    const values = [...source.matchAll(/(?<=:)("[^"]*"|\d+|true|false|null)/g)];
    fc.assert(
      fc.property(fc.nat(values.length - 1), junk, (at, value) => {
        const match = values[at]!;
        const text = source.slice(0, match.index) + value + source.slice(match.index + match[0].length);
        try {
          tokenizerFromJson(JSON.parse(text)).encode('a b <s>');
        } catch (error) {
          if (!(error instanceof FiducialError)) throw error;
        }
      }),
    );
  });
});
