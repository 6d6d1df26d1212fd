/**
 * `fiducial model chat`: a conversation in the terminal. The model runs in a thread of its own, so that Ctrl-C stops a
 * reply at once. Reasoning is shown dim where there are colours. Also reads its lines from a pipe.
 */
import { createInterface } from 'node:readline';
import type { Message, Model } from '../../models/index.ts';
import { openModelInWorker } from '../../models/open/index.ts';
import { numberFlag } from './numbers.ts';

export interface ChatFlags {
  readonly adapter?: readonly string[];
  readonly system?: string;
  readonly plain: boolean;
  readonly temperature: string;
  readonly topP?: string;
  readonly maxTokens: string;
  readonly seed?: string;
}

/** Opens a folder and talks until the input ends. */
export async function chatWithModel(folder: string, flags: ChatFlags): Promise<void> {
  const settings = chatSettings(flags);
  const model = await openModelInWorker(folder, {
    ...(flags.adapter === undefined ? {} : { adapters: flags.adapter }),
    ...(flags.plain ? { chat: 'plain' as const } : {}),
  });
  try {
    await talk(model, flags.system, settings);
  } finally {
    await model.close();
  }
}

export interface ChatSettings {
  readonly temperature: number;
  readonly maxTokens: number;
  readonly topP?: number;
  readonly seed?: number;
}

/** @throws FiducialError `cli.bad-flag` */
export function chatSettings(flags: Pick<ChatFlags, 'temperature' | 'maxTokens' | 'topP' | 'seed'>): ChatSettings {
  const topP = numberFlag('--top-p', flags.topP, { least: 0, most: 1 });
  const seed = numberFlag('--seed', flags.seed, { least: 0, isWhole: true });
  return {
    temperature: numberFlag('--temperature', flags.temperature, { least: 0 })!,
    maxTokens: numberFlag('--max-tokens', flags.maxTokens, { least: 1, isWhole: true })!,
    ...(topP === undefined || topP === 0 ? {} : { topP }),
    ...(seed === undefined ? {} : { seed }),
  };
}

/** Talks with a model that is open, until the input ends. */
export async function talk(model: Model, system: string | undefined, settings: ChatSettings): Promise<void> {
  const { stdin, stdout, stderr } = process;
  const start: Message[] = system === undefined ? [] : [{ role: 'system', content: system }];
  let messages = [...start];
  const lines = createInterface({ input: stdin, output: stdin.isTTY ? stderr : undefined, prompt: '> ' });
  let reply: AbortController | undefined;
  // Ctrl-C stops the reply; where there is none, it ends the conversation.
  lines.on('SIGINT', () => (reply === undefined ? lines.close() : reply.abort(new Error('stopped'))));
  if (stdin.isTTY) lines.prompt();
  for await (const line of lines) {
    const text = line.trim();
    if (text === '/quit') break;
    if (text === '/new') messages = [...start];
    else if (text !== '') {
      messages.push({ role: 'user', content: text });
      reply = new AbortController();
      const said = await say(model, messages, settings, reply.signal, stdout);
      reply = undefined;
      messages.push({ role: 'assistant', content: said });
    }
    if (stdin.isTTY) lines.prompt();
  }
  lines.close();
}

async function say(
  model: Model,
  messages: readonly Message[],
  settings: ChatSettings,
  signal: AbortSignal,
  out: NodeJS.WriteStream,
): Promise<string> {
  const dim = (text: string): string => (out.isTTY && !process.env['NO_COLOR'] ? `\u001b[2m${text}\u001b[22m` : text);
  let said = '';
  let isReasoning = false;
  try {
    for await (const event of model.reply({ messages, ...settings }, signal, { incremental: true })) {
      if (event.type === 'reasoning') out.write(dim(visible(event.text)));
      if (event.type === 'text') {
        if (isReasoning) out.write('\n\n');
        out.write(visible(event.text));
        said += event.text;
      }
      if (event.type !== 'end') isReasoning = event.type === 'reasoning';
      if (event.type === 'end' && event.reason === 'length') out.write(dim(' [cut off: --max-tokens]'));
    }
  } catch (error) {
    if (!signal.aborted) throw error;
    out.write(dim(' [stopped]'));
  }
  out.write('\n');
  return said;
}

/** Control characters that a model writes must not steer the terminal. */
const visible = (text: string): string => text.replaceAll(/(?![\n\t])\p{Cc}/gu, '\ufffd');
