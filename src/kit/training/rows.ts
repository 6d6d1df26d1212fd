/**
 * Rows of training data as users have them: conversations, or prompts with completions, read into tokens; and the loss
 * of a network on each of several texts, which is what a trainer is measured by.
 */
import { z } from 'zod';
import { FiducialError } from '../../core/errors.ts';
import type { Network } from '../../network/index.ts';
import type { LoadedTokenizer } from '../../network/tokenizer/index.ts';
import { completionText, conversationText, type LearnedTurns } from './conversation.ts';
import type { TrainingText } from './texts.ts';

export const chatMessage = z.object({
  role: z.enum(['system', 'user', 'assistant', 'tool']),
  content: z.string(),
});

/** A conversation, or a prompt and what is to follow it. */
export const trainingRow = z.union([
  z.strictObject({ id: z.string().min(1), messages: z.array(chatMessage).min(1) }),
  z.strictObject({ id: z.string().min(1), prompt: z.string(), completion: z.string().min(1) }),
]);
export type TrainingRow = z.infer<typeof trainingRow>;

/** A row as tokens with the loss on the assistant's turns, or on the completion. */
export function rowText(tokenizer: LoadedTokenizer, row: TrainingRow, learned: LearnedTurns = 'all'): TrainingText {
  try {
    return 'messages' in row
      ? conversationText(tokenizer, row.messages, learned)
      : completionText(tokenizer, row.prompt, row.completion);
  } catch (error) {
    if (!(error instanceof FiducialError)) throw error;
    throw new FiducialError(error.code, `row ${row.id}: ${error.message}`, error.hint, { cause: error });
  }
}

/** Loss in nats a weighted token of each text alone, whole and unpacked. */
export async function lossesOf(network: Network, texts: readonly TrainingText[]): Promise<number[]> {
  const scores = await network.logProbabilities(texts.map(({ ids }) => ids));
  return texts.map(({ ids, weights }, index) => {
    let [total, weight] = [0, 0];
    for (let t = 1; t < ids.length; t++) {
      const each = weights?.[t] ?? 1;
      total -= each * scores[index]![t]!;
      weight += each;
    }
    return total / weight;
  });
}
