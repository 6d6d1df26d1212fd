import { describe, expect, it } from 'vitest';
import { random } from '../../core/random.ts';
import { loadTokenizer } from '../../network/tokenizer/index.ts';
import { completionText, conversationText } from './conversation.ts';
import { letterModelFolder } from './letter-model.ts';
import type { TrainingText } from './texts.ts';

const folder = await letterModelFolder(random(1));
const tokenizer = await loadTokenizer(folder);

/** What the loss is on. */
const learned = ({ ids, weights }: TrainingText): string =>
  tokenizer.decode(Array.from(ids).filter((_, i) => weights![i] !== 0));
const conversation = [
  { role: 'system', content: 'Be brief.' },
  { role: 'user', content: 'Hi' },
  { role: 'assistant', content: 'Hello.' },
  { role: 'user', content: 'Bye <|end|>' },
  { role: 'assistant', content: 'Bye né!' },
];

describe('a conversation', () => {
  it('has its loss on the turns of the assistant and the ends of its turns', () => {
    const text = conversationText(tokenizer, conversation);
    expect(learned(text)).toBe('Hello.<|end|>Bye né!<|end|>');
    expect(tokenizer.decode(Array.from(text.ids))).toMatch(/^<\|turn\|>system\nBe brief\.<\|end\|>\n<\|turn\|>user/);
    expect(learned(conversationText(tokenizer, conversation, 'last'))).toBe('Bye né!<|end|>');
  });

  it('makes no control token of what a message says', () => {
    const { ids } = conversationText(tokenizer, conversation);
    expect(Array.from(ids).filter((id) => id === 257)).toHaveLength(5);
  });

  it('is refused without a turn of the assistant, and without a template', () => {
    expect(() => conversationText(tokenizer, conversation.slice(0, 2))).toThrow(
      expect.objectContaining({ code: 'train.no-turn' }),
    );
    expect(() => conversationText({ ...tokenizer, chatTemplate: undefined } as never, conversation)).toThrow(
      expect.objectContaining({ code: 'train.no-template' }),
    );
  });

  it('is refused where the template hides a turn once another follows', () => {
    const chatTemplate =
      "{% for m in messages %}{% if loop.last or m.role != 'assistant' %}{{ m.content }}|{% endif %}{% endfor %}";
    const hiding = { ...tokenizer, chatTemplate };
    expect(() => conversationText(hiding, conversation)).toThrow(expect.objectContaining({ code: 'train.template' }));
    expect(learned(conversationText(hiding, conversation, 'last'))).toBe('Bye né!|');
  });
});

describe('a prompt and its completion', () => {
  it('have their loss on the completion and the end of the text', () => {
    const text = completionText(tokenizer, 'one, two, ', 'three');
    expect(learned(text)).toBe('three<|end|>');
    expect(Array.from(text.ids).at(-1)).toBe(257);
    expect(() => completionText(tokenizer, 'one', '')).toThrow(expect.objectContaining({ code: 'train.no-turn' }));
  });
});
