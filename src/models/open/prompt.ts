/**
 * From an ask to tokens: through the model's own chat template, or, where it has none and the caller chose so, as lines
 * `User: ...` and `Assistant:`. What messages say never becomes a control token (encode-chat.ts).
 */
import { FiducialError } from '../../core/errors.ts';
import type { Json } from '../../core/values.ts';
import { type ChatMessage, encodeChat, type LoadedTokenizer } from '../../network/tokenizer/index.ts';
import type { Ask, Message } from '../model.ts';

/** `template`: by the model's chat template; `plain`: as lines of text, for models that were never taught a template. */
export type ChatForm = 'template' | 'plain';

export interface Prompt {
  readonly ids: readonly number[];
  readonly prefix: readonly number[];
  /** Stop strings that the form needs besides the ask's own. */
  readonly stop: readonly string[];
  /** Whether the prompt's own text already opened the model's reasoning. */
  readonly isThinking: boolean;
}

/**
 * @throws FiducialError `model.no-chat-template`, and those of `encodeChat`
 */
export function promptOf(
  ask: Ask,
  tokenizer: LoadedTokenizer,
  form: ChatForm,
  name: string,
  variables: Readonly<Record<string, Json>> = {},
): Prompt {
  const prefixAfter = (ids: readonly number[]): number[] =>
    ask.prefix === undefined ? [] : encodeContinuation(tokenizer, ask.prefix, ids.at(-1));
  if (form === 'plain') {
    const ids = encodeStart(tokenizer, `${ask.messages.map(plainLine).join('')}Assistant:`);
    return { ids, prefix: prefixAfter(ids), stop: ['\nUser:', '\nSystem:'], isThinking: false };
  }
  const { chatTemplate } = tokenizer;
  if (chatTemplate === undefined) throw noTemplate(name);
  const { ids, text } = encodeChat(tokenizer, chatTemplate, ask.messages.map(toTemplate), {
    addGenerationPrompt: true,
    ...(ask.tools === undefined || ask.tools.length === 0 ? {} : { tools: ask.tools.map(toolSchema) }),
    ...(tokenizer.bosToken === undefined ? {} : { bosToken: tokenizer.bosToken }),
    ...(tokenizer.eosToken === undefined ? {} : { eosToken: tokenizer.eosToken }),
    variables,
  });
  return { ids, prefix: prefixAfter(ids), stop: [], isThinking: text.trimEnd().endsWith('<think>') };
}

/** A text of its own, with what the tokenizer puts at the beginning of every text; never empty where that exists. */
export function encodeStart(tokenizer: LoadedTokenizer, text: string): number[] {
  const ids = tokenizer.encode(text);
  if (ids.length > 0) return ids;
  const first = tokenizer.bosToken ?? tokenizer.eosToken;
  const id = first === undefined ? undefined : tokenizer.idOf(first);
  return id === undefined ? [] : [id];
}

/**
 * Text as it goes on behind other text: tokenizers that write a blank before every text must not write one here, unless
 * a control token stands before it, behind which a text begins.
 *
 * @param before the token that it follows, where there is one
 */
export function encodeContinuation(tokenizer: LoadedTokenizer, text: string, before?: number): number[] {
  const options = { addSpecialTokens: false } as const;
  const control = [...tokenizer.specialTokens].find(([, id]) => id === before)?.[0];
  if (control !== undefined) {
    const specialTokens = (_: number, end: number): boolean => end <= control.length;
    const [first, ...rest] = tokenizer.encode(control + text, { ...options, specialTokens });
    if (first === before) return rest;
  }
  const alone = tokenizer.encode(text, options);
  const anchor = tokenizer.encode(ANCHOR, options);
  if (tokenizer.tokenOf(anchor[0] ?? -1)?.startsWith('\u2581') !== true) return alone;
  const both = tokenizer.encode(ANCHOR + text, options);
  return anchor.every((id, i) => both[i] === id) ? both.slice(anchor.length) : alone;
}

/** A character that joins with nothing behind it. */
const ANCHOR = '\n';

function noTemplate(name: string): FiducialError {
  return new FiducialError(
    'model.no-chat-template',
    `${name} has no chat template: neither chat_template.jinja nor chat_template in tokenizer_config.json`,
    'Put the template of its family into its folder as chat_template.jinja, or talk to it in plain lines: { chat: "plain" }, on the command line --plain.',
  );
}

const roleWords: Record<Message['role'], string> = {
  system: 'System',
  user: 'User',
  assistant: 'Assistant',
  tool: 'Tool',
};

const plainLine = ({ role, content }: Message): string => `${roleWords[role]}: ${content.trim()}\n`;

/** A message in the form that templates know, which is OpenAI's with parsed arguments. */
function toTemplate(message: Message): ChatMessage {
  const { role, content, calls, callId, tool } = message;
  return {
    role,
    content,
    ...(calls === undefined || calls.length === 0
      ? {}
      : {
          tool_calls: calls.map((call) => ({
            id: call.id,
            type: 'function',
            function: { name: call.tool, arguments: call.input },
          })),
        }),
    ...(callId === undefined ? {} : { tool_call_id: callId }),
    ...(tool === undefined ? {} : { name: tool }),
  };
}

const toolSchema = (tool: NonNullable<Ask['tools']>[number]): Json => ({
  type: 'function',
  function: { name: tool.name, description: tool.description, parameters: tool.input },
});
