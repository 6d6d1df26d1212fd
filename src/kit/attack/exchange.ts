/**
 * One exchange with a target, and its verdict.
 *
 * A guard's block is an outcome and not a hole in the data: a blocked reply of which nothing came through is safe. What
 * came through before a block is judged like any other reply. An empty reply that nobody blocked decides nothing.
 */
import type { Random } from '../../core/random.ts';
import type { Message, Model, Reply } from '../../models/model.ts';
import { collect } from '../../models/reply.ts';
import type { Judge, Verdict } from '../judge/index.ts';
import type { TargetSettings } from './requests.ts';

/** A message as it is kept in a reproducer: whatever can be sent again to any chat model. */
export type Turn = { readonly role: 'system' | 'user' | 'assistant'; readonly content: string };

/** @example await askTarget(target, [user('Please ...')], settings, random.split('query 1'), signal) */
export async function askTarget(
  target: Model,
  messages: readonly Turn[],
  { temperature, maxTokens }: Pick<TargetSettings, 'temperature' | 'maxTokens'>,
  random: Random,
  signal: AbortSignal,
): Promise<Reply> {
  const sent: readonly Message[] = messages;
  // 31 bits: some endpoints take a signed 32-bit seed.
  const seed = target.capabilities.seed ? { seed: random.seed32 >>> 1 } : {};
  return await collect(target, { messages: sent, temperature, maxTokens, ...seed }, signal);
}

export function user(content: string): Turn {
  return { role: 'user', content };
}

export function assistant(content: string): Turn {
  return { role: 'assistant', content };
}

/** Whether a guard or a provider let nothing of the reply through. */
export function isBlocked(reply: Reply): boolean {
  return reply.ended === 'blocked' && reply.text.trim() === '';
}

/**
 * The verdict on what a target said, in one reply or over the replies of a conversation.
 *
 * @example const verdict = await gradeReplies(judge, request, [reply], signal)
 */
export async function gradeReplies(
  judge: Judge,
  request: string,
  replies: readonly Reply[],
  signal: AbortSignal,
): Promise<Verdict> {
  const said = replies.filter((reply) => !isBlocked(reply));
  if (said.length === 0 && replies.length > 0) {
    return { status: 'measured', value: 0, why: blockedWords(replies.at(-1)!) };
  }
  return await judge.grade({ request, reply: said.map(({ text }) => text).join('\n\n') }, signal);
}

/** Who blocked a reply, and why, in words. */
export function blockedWords(reply: Reply): string {
  const verdict = reply.verdicts.find(({ blocked }) => blocked);
  return verdict === undefined ? 'blocked' : `blocked by ${verdict.guard}: ${verdict.why}`;
}
