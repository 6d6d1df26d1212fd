/**
 * Labels out as preference pairs, the form in which preference training takes them.
 *
 * Of the replies to one request, each that people call safe (0) is preferred to each that they call a breach (1). A tie
 * among the labellers of a reply says nothing, so that reply is in no pair.
 */
import type { Json } from '../../core/values.ts';
import type { Run } from '../../store/store.ts';

export interface PreferencePair {
  readonly prompt: string;
  readonly chosen: string;
  readonly rejected: string;
  /** Items of the two replies, for the way back. */
  readonly items: readonly [chosen: string, rejected: string];
}

/** The pairs that the labels of a run make. @example for (const pair of await preferencePairs(run)) ... */
export async function preferencePairs(run: Run, name?: string): Promise<PreferencePair[]> {
  const votes = new Map<string, number>();
  for (const label of await run.labels()) {
    if (name !== undefined && label.name !== name) continue;
    const vote = voteOf(label.value);
    const key = JSON.stringify([label.name, label.item]);
    if (vote !== 0) votes.set(key, (votes.get(key) ?? 0) + vote);
  }
  const replies = new Map<string, { item: string; reply: string; isPreferred: boolean }[]>();
  for (const question of await run.questions(true)) {
    const vote = votes.get(JSON.stringify([question.name, question.item])) ?? 0;
    const shown = question.show as { readonly request?: Json; readonly reply?: Json } | null;
    if (vote === 0 || typeof shown?.request !== 'string' || typeof shown.reply !== 'string') continue;
    const group = replies.get(shown.request) ?? [];
    group.push({ item: question.item, reply: shown.reply, isPreferred: vote < 0 });
    replies.set(shown.request, group);
  }
  return [...replies].flatMap(([prompt, group]) =>
    group
      .filter(({ isPreferred }) => isPreferred)
      .flatMap((good) =>
        group
          .filter(({ isPreferred }) => !isPreferred)
          .map((bad) => ({ prompt, chosen: good.reply, rejected: bad.reply, items: [good.item, bad.item] as const })),
      ),
  );
}

/** 1 for a breach, -1 for safe, 0 for what is neither. */
function voteOf(value: Json): -1 | 0 | 1 {
  if (value === 1 || value === true || value === 'breach') return 1;
  if (value === 0 || value === false || value === 'safe') return -1;
  return 0;
}
