/**
 * How a model family writes reasoning and tool calls into its text, found from its chat template, and the stream of its
 * text taken apart accordingly.
 *
 * Known: `<think>...</think>` (DeepSeek R1, Qwen3); `<tool_call>{"name", "arguments"}</tool_call>` (Hermes, Qwen);
 * `[TOOL_CALLS][{"name", "arguments"}]` and `[TOOL_CALLS]name[ARGS]{...}` (Mistral); a reply that is one JSON object
 * `{"name", "parameters"}`, also behind `<|python_tag|>` (Llama 3.1). Sources: the families' templates and model cards.
 * What looks like a call and cannot be read as one stays text.
 */
import type { Json } from '../../core/values.ts';

export type ToolFormat = 'hermes' | 'mistral' | 'llama';

export interface ReplyFormat {
  readonly tools: ToolFormat | undefined;
  readonly hasReasoning: boolean;
}

/** A piece of a reply; `call` before it has an id. */
export type Piece =
  | { readonly type: 'text' | 'reasoning'; readonly text: string }
  | { readonly type: 'call'; readonly tool: string; readonly input: Json };

/** What a template says of its family; nothing without one. */
export function replyFormatOf(template: string | undefined): ReplyFormat {
  if (template === undefined) return { tools: undefined, hasReasoning: false };
  const takesTools = /\btools\b/.test(template);
  const format: ToolFormat | undefined = template.includes('<tool_call>')
    ? 'hermes'
    : template.includes('[TOOL_CALLS]')
      ? 'mistral'
      : template.includes('<|python_tag|>') || (template.includes('ipython') && template.includes('"parameters"'))
        ? 'llama'
        : undefined;
  return { tools: takesTools ? format : undefined, hasReasoning: template.includes('</think>') };
}

/** Strings with a meaning of their own: where they are special tokens, their text must not be left out. */
export const MARKERS = [
  '<think>',
  '</think>',
  '<tool_call>',
  '</tool_call>',
  '[TOOL_CALLS]',
  '[ARGS]',
  '<|python_tag|>',
] as const;

type State = 'start' | 'reasoning' | 'text' | 'call';

/**
 * Takes the text of a reply in pieces of any size and gives what is certain. The joined text pieces, reasoning and calls
 * do not depend on how the text was cut.
 *
 * @example
 * const reader = new ReplyReader({ tools: 'hermes', hasReasoning: true }, { hasTools: true });
 * reader.push('<think>hm</think>yes'); // reasoning 'hm', text 'yes'
 */
export class ReplyReader {
  readonly #tools: ToolFormat | undefined;
  readonly #hasReasoning: boolean;
  #state: State = 'start';
  #held = '';
  /** Blanks around reasoning and between calls belong to the format, not to the reply. */
  #skipsBlanks = false;

  /**
   * @param options.hasTools whether the ask named tools: without them what looks like a call is text
   * @param options.isThinking whether the prompt already opened the reasoning
   */
  constructor(format: ReplyFormat, options: { readonly hasTools: boolean; readonly isThinking?: boolean }) {
    this.#tools = options.hasTools ? format.tools : undefined;
    this.#hasReasoning = format.hasReasoning;
    if (options.isThinking === true) {
      this.#state = 'reasoning';
      this.#skipsBlanks = true;
    }
  }

  /** Whether what comes now is reasoning. */
  get isReasoning(): boolean {
    return this.#state === 'reasoning';
  }

  /** Whether what was held back may still turn out to be text. */
  get isText(): boolean {
    return this.#state === 'text' || this.#state === 'start';
  }

  push(text: string): Piece[] {
    this.#held += text;
    const pieces: Piece[] = [];
    while (this.#step(pieces)) if (this.#held === '') break;
    return pieces;
  }

  /** Reads what the reply was made to begin with, and gives nothing back for it. */
  skip(prefix: string): void {
    this.push(prefix);
    if (this.#state === 'call') return;
    this.#held = '';
    if (this.#state === 'start' && prefix.trim() !== '') this.#state = 'text';
  }

  /** What is left when the reply has ended. */
  finish(): Piece[] {
    const pieces: Piece[] = [];
    const rest = this.#held;
    this.#held = '';
    if (this.#state === 'call') pieces.push(...this.#readCalls(rest));
    else if (this.#state === 'reasoning') this.#give(pieces, 'reasoning', rest);
    else this.#give(pieces, 'text', rest);
    return pieces;
  }

  /** Takes the next part of what is held; whether there may be another. */
  #step(pieces: Piece[]): boolean {
    switch (this.#state) {
      case 'start':
        return this.#begin();
      case 'reasoning':
        return this.#upTo('</think>', 'reasoning', pieces, () => {
          this.#state = 'text';
          this.#skipsBlanks = true;
        });
      case 'text': {
        const marker = this.#tools === undefined ? undefined : callMarkers[this.#tools];
        if (marker === undefined) {
          this.#give(pieces, 'text', this.#take(this.#held.length));
          return false;
        }
        return this.#upTo(marker, 'text', pieces, () => (this.#state = 'call'));
      }
      case 'call': {
        // Mistral's and Llama's calls have no end mark: they end with the reply.
        if (this.#tools !== 'hermes') return false;
        const end = this.#held.indexOf('</tool_call>');
        if (end < 0) return false;
        const body = this.#take(end);
        this.#take('</tool_call>'.length);
        pieces.push(...readHermes(body, true));
        this.#state = 'text';
        this.#skipsBlanks = true;
        return true;
      }
    }
  }

  /** Before the first visible character: reasoning and a bare JSON call can only begin here. */
  #begin(): boolean {
    const visible = this.#held.trimStart();
    if (visible === '') return false;
    if (this.#hasReasoning) {
      if (visible.startsWith('<think>')) {
        this.#held = visible.slice('<think>'.length);
        this.#state = 'reasoning';
        this.#skipsBlanks = true;
        return true;
      }
      if ('<think>'.startsWith(visible)) return false;
    }
    // Two braces are a template or code, never a call.
    this.#state = this.#tools === 'llama' && visible.startsWith('{') ? 'call' : 'text';
    return true;
  }

  #upTo(marker: string, type: 'text' | 'reasoning', pieces: Piece[], found: () => void): boolean {
    const at = this.#held.indexOf(marker);
    if (at < 0) {
      this.#give(pieces, type, this.#take(this.#held.length - overlap(this.#held, marker)));
      return false;
    }
    this.#give(pieces, type, this.#take(at));
    this.#take(marker.length);
    found();
    return true;
  }

  #take(count: number): string {
    const taken = this.#held.slice(0, count);
    this.#held = this.#held.slice(count);
    return taken;
  }

  #give(pieces: Piece[], type: 'text' | 'reasoning', text: string): void {
    const shown = this.#skipsBlanks ? text.trimStart() : text;
    if (shown === '') return;
    this.#skipsBlanks = false;
    pieces.push({ type, text: shown });
  }

  #readCalls(body: string): Piece[] {
    switch (this.#tools) {
      case 'hermes':
        return readHermes(body, false);
      case 'mistral':
        return readMistral(body);
      default:
        return readLlama(body);
    }
  }
}

const callMarkers: Record<ToolFormat, string> = {
  hermes: '<tool_call>',
  mistral: '[TOOL_CALLS]',
  llama: '<|python_tag|>',
};

/** How much of the end of `text` may be the beginning of `marker`. */
function overlap(text: string, marker: string): number {
  for (let size = Math.min(text.length, marker.length - 1); size > 0; size--) {
    if (marker.startsWith(text.slice(-size))) return size;
  }
  return 0;
}

const asText = (text: string): Piece[] => [{ type: 'text', text }];

function readHermes(body: string, isClosed: boolean): Piece[] {
  const call = callOf(parse(body));
  // Cut off by the token limit, a call may still be whole.
  return call === undefined ? asText(`<tool_call>${body}${isClosed ? '</tool_call>' : ''}`) : [call];
}

function readMistral(body: string): Piece[] {
  const parsed = parse(body);
  const listed = (Array.isArray(parsed) ? parsed : [parsed]).map((one) => callOf(one));
  if (listed.length > 0 && listed.every((call) => call !== undefined)) return listed;
  const calls: Piece[] = [];
  for (const part of body.split('[TOOL_CALLS]')) {
    const named = /^\s*([\w.-]+)\s*(?:\[ARGS\])?\s*(\{[\s\S]*\})\s*$/.exec(part);
    const input = named === null ? undefined : parse(named[2]!);
    if (named === null || input === undefined) return asText(`[TOOL_CALLS]${body}`);
    calls.push({ type: 'call', tool: named[1]!, input });
  }
  return calls;
}

function readLlama(body: string): Piece[] {
  const call = callOf(parse(body));
  return call === undefined ? asText(body) : [call];
}

function parse(text: string): Json | undefined {
  try {
    return JSON.parse(text) as Json;
  } catch {
    // Not JSON: the caller keeps it as the text that it is.
    return undefined;
  }
}

function callOf(value: Json | undefined): Extract<Piece, { type: 'call' }> | undefined {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
  const { name, arguments: named, parameters } = value as { readonly [key: string]: Json | undefined };
  if (typeof name !== 'string' || name === '') return undefined;
  const input = named ?? parameters ?? {};
  // Some write the arguments as a string that holds JSON, as OpenAI's API does.
  return { type: 'call', tool: name, input: typeof input === 'string' ? (parse(input) ?? input) : input };
}
