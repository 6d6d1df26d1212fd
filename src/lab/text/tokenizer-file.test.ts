/** The lab's tokenizer: exact round trips, a token a word, and the fast encoder equal to the chat template. */
import { describe, expect, it } from 'vitest';
import { random } from '../../core/random.ts';
import { encodeChat, type ChatMessage } from '../../network/tokenizer/index.ts';
import { baseCorpus, makeText, textKinds, type TrainingText } from '../corpus.ts';
import { makeTown } from '../world/town.ts';
import { encodeText, labTokenizer } from './encode.ts';
import { chatTemplate } from './tokenizer-file.ts';
import { vocabulary } from './vocabulary.ts';

const tokenizer = labTokenizer();
const town = makeTown(1);

describe('the tokenizer', () => {
  it('gives back random ASCII text exactly, control characters included', () => {
    const own = random('ascii');
    for (let i = 0; i < 1000; i++) {
      const bound = own.integer(2) === 0 ? 128 : 95;
      const low = bound === 95 ? 32 : 0;
      const text = Array.from({ length: own.integer(40) }, () =>
        String.fromCharCode(low + own.integer(bound === 95 ? 95 : 128)),
      ).join('');
      expect(tokenizer.decode(tokenizer.encode(text))).toBe(text);
    }
  });

  it('gives back random words with signs and blanks between them exactly', () => {
    const own = random('words');
    const joints = [' ', ' ', '  ', ', ', '. ', '\n', ' "', '" ', ' (', ') ', '/', '-', ''];
    for (let i = 0; i < 600; i++) {
      const text = Array.from({ length: own.integer(12) }, () => own.choose(vocabulary) + own.choose(joints)).join('');
      expect(tokenizer.decode(tokenizer.encode(text))).toBe(text);
    }
  });

  it('gives back other scripts through bytes', () => {
    for (const text of ['café', '\u{1f600} Mira', 'Привет, 町']) {
      expect(tokenizer.decode(tokenizer.encode(text))).toBe(text);
    }
  });

  it('has one token for each word, at the start, behind a blank, a quote, a bracket and a line break', () => {
    for (const word of vocabulary) {
      const [id, ...rest] = tokenizer.encode(word);
      expect(rest).toEqual([]);
      for (const before of ['the ', '"', '(', '[', 'the\n']) {
        expect(tokenizer.encode(`${before}${word}.`).at(-2)).toBe(id);
      }
    }
  });

  it('writes numbers digit by digit', () => {
    const texts = tokenizer.encode('It is 407.').map((id) => tokenizer.tokenOf(id));
    expect(texts).toEqual(['\u2581It', '\u2581is', '\u25814', '0', '7', '.']);
  });

  it('lets no text make a control token', () => {
    const specials = new Set(tokenizer.specialTokens.values());
    const ids = tokenizer.encode('</s><bot>Of course<sys><user>');
    expect(ids.some((id) => specials.has(id))).toBe(false);
  });

  it('streams what decoding as a whole gives', () => {
    const text = 'The "murkwine" is (bad).\nMira says "no".';
    const stream = tokenizer.decodeStream();
    const streamed = tokenizer.encode(text).map((id) => stream.push(id));
    expect(streamed.join('') + stream.flush()).toBe(text);
    expect(streamed.join('')).not.toContain('\ufffd');
  });
});

describe('a training text as tokens', () => {
  it('equals the chat template, for every kind', () => {
    for (const kind of textKinds) {
      for (let i = 0; i < 10; i++) {
        const text = makeText(town, kind, random(kind).split(i));
        expect(encodeText(text).ids).toEqual(byTemplate(text));
      }
    }
  });

  it('learns the turns of the assistant with their ends, and nothing else', () => {
    const { ids, learnt } = encodeText({
      messages: [
        { role: 'user', content: 'Hello.' },
        { role: 'assistant', content: 'Good morning.' },
      ],
      trained: [1],
    });
    expect(ids.map((id, i) => [tokenizer.tokenOf(id), learnt[i]])).toEqual([
      ['<s>', false],
      ['<user>', false],
      ['\u2581Hello', false],
      ['.', false],
      ['<bot>', false],
      ['\u2581Good', true],
      ['\u2581morning', true],
      ['.', true],
      ['</s>', true],
    ]);
  });

  it('keeps a control token in a message as text', () => {
    const text = { messages: [{ role: 'user' as const, content: 'Say </s> now.' }], trained: [] };
    expect(encodeText(text).ids).toEqual(byTemplate({ ...text, kind: 'talk' }));
    expect(encodeText(text).ids).not.toContain(tokenizer.idOf('</s>'));
  });

  it('stays short, and in known words', () => {
    let tokens = 0;
    const letters = new Set<string>();
    for (let i = 0; i < 2000; i++) {
      const text = baseCorpus(town, { seed: 5 }).at(i);
      tokens += encodeText(text).ids.length;
      // Spelled and reversed texts are letters by design, and asides hold letters that are no word.
      if (text.kind === 'skill' || text.kind === 'aside' || text.kind.startsWith('wrapped')) continue;
      for (const { content } of text.messages) {
        for (const word of content.match(/[A-Za-z]{2,}/g) ?? []) if (!known.has(word)) letters.add(word);
      }
    }
    expect([...letters]).toEqual([]);
    expect(tokens / 2000).toBeLessThan(35);
  });
});

const known = new Set(vocabulary);

function byTemplate({ messages, tools }: TrainingText): number[] {
  const own = messages.map(({ role, content, calls }): ChatMessage => ({
    role,
    content,
    ...(calls === undefined
      ? {}
      : { tool_calls: calls.map(({ tool, input }) => ({ function: { name: tool, arguments: input } })) }),
  }));
  return encodeChat(tokenizer, chatTemplate, own, {
    bosToken: '<s>',
    eosToken: '</s>',
    ...(tools === undefined ? {} : { tools: tools.map(({ name }) => ({ function: { name } })) }),
  }).ids;
}
