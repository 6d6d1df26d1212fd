/** What the screens read out of transcripts of any method: turns, trees, and the rest. */
import { describe, expect, it } from 'vitest';
import { conversationIn, treeIn } from '../../web/src/transcript.ts';

describe('a transcript', () => {
  it('of one question is what was wanted, what was sent and what came back', () => {
    const { turns, rest } = conversationIn({ request: 'the word', reply: 'no', sent: 'tHe wOrd', attempt: 3 });
    expect(turns.map(({ role, text }) => [role, text])).toEqual([
      ['goal', 'the word'],
      ['user', 'tHe wOrd'],
      ['assistant', 'no'],
    ]);
    expect(rest).toEqual([['attempt', 3]]);
  });

  it('of a conversation has its turns in order, and the reply once', () => {
    const messages = [
      { role: 'user', content: 'a' },
      { role: 'assistant', content: 'b' },
    ];
    expect(conversationIn({ request: 'g', reply: 'b', messages }).turns.map(({ text }) => text)).toEqual([
      'g',
      'a',
      'b',
    ]);
    expect(conversationIn({ request: 'g', reply: 'c', messages }).turns.map(({ text }) => text)).toEqual([
      'g',
      'a',
      'b',
      'c',
    ]);
  });

  it('of a search is a tree with what was pruned', () => {
    const tree = treeIn({
      request: 'g',
      reply: 'r',
      nodes: [
        { id: 1, parent: null, prompt: 'root', score: 1 },
        { id: 2, parent: 1, prompt: 'good', score: 9, success: true },
        { id: 3, parent: 1, prompt: 'bad', pruned: 'off topic' },
      ],
    })!;
    expect(tree.roots).toHaveLength(1);
    expect(tree.roots[0]!.children.map(({ title, kind, under }) => [title, kind, under])).toEqual([
      ['good', 'breach', 'score 9'],
      ['bad', 'pruned', 'pruned: off topic'],
    ]);
    expect(tree.records.get('3')).toMatchObject({ prompt: 'bad' });
  });

  it('that says of two nodes that each is above the other is cut there, and loses none', () => {
    const tree = treeIn({
      tree: [
        { id: 'a', parent: 'b' },
        { id: 'b', parent: 'a' },
        { id: 'c', parent: 'gone' },
      ],
    })!;
    expect(tree.roots.map(({ id }) => id)).toEqual(['a', 'b', 'c']);
  });

  it('without a tree, or with words in its place, has none', () => {
    expect(treeIn({ request: 'g', reply: 'r', tree: 'oak' })).toBeUndefined();
    expect(treeIn({ nodes: [{ id: 1 }] })).toBeUndefined();
  });
});
