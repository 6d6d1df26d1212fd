/**
 * Making a conversation small while it still does what it did, and telling how it did it from what for.
 */
import { minimise } from '../../../kit/attack/index.ts';
import type { Turn } from '../../../kit/attack/index.ts';

/** Turns first, then the words of the last message: each pass keeps only what is needed. */
export async function cut(
  messages: readonly Turn[],
  test: (messages: readonly Turn[]) => Promise<boolean>,
  mostTests: number,
): Promise<{ readonly messages: readonly Turn[]; readonly isMinimal: boolean }> {
  const last = messages.at(-1)!;
  const turns = pairsOf(messages.slice(0, -1));
  const fewer = await minimise([...turns, [last]], (part) => test(part.flat()), Math.ceil(mostTests / 2));
  const before = fewer.units.flat().slice(0, -1);
  const words = last.content.split(/(?<=\s)(?=\S)/);
  const said = (part: readonly string[]): Turn[] => [...before, { ...last, content: part.join('').trim() }];
  const shorter = await minimise(words, (part) => test(said(part)), mostTests - Math.min(mostTests, fewer.tests));
  // The whole text stays as it was found where no word could go.
  const content = shorter.units.length === words.length ? last.content : shorter.units.join('').trim();
  return { messages: [...before, { ...last, content }], isMinimal: fewer.isMinimal && shorter.isMinimal };
}

/** A conversation's history in pieces that can go alone: a message of the user with its answer. */
function pairsOf(history: readonly Turn[]): Turn[][] {
  const pairs: Turn[][] = [];
  for (const turn of history) {
    if (turn.role === 'assistant' && pairs.length > 0) pairs.at(-1)!.push(turn);
    else pairs.push([turn]);
  }
  return pairs;
}

/** What an endpoint takes: it ends with something that the user said. */
export function isConversation(messages: readonly Turn[]): boolean {
  const last = messages.at(-1);
  return last?.role === 'user' && last.content.trim() !== '';
}

export function sizeOf(messages: readonly Turn[]): number {
  return messages.reduce((sum, { content }) => sum + content.length, 0);
}

/** The words of an attack without those of its request: how it is done, not what for. */
export function mechanismOf(messages: readonly Turn[], request: string): string {
  const own = new Set(request.toLowerCase().split(/[^\p{L}\p{N}]+/u));
  const text = messages
    .filter(({ role }) => role === 'user')
    .map(({ content }) => content)
    .join('\n');
  return text
    .split(/\s+/)
    .filter((word) => !own.has(word.toLowerCase().replaceAll(/[^\p{L}\p{N}]/gu, '')))
    .join(' ');
}
