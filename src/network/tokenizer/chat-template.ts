/**
 * Chat templates: a conversation rendered by a model's own Jinja template, by `@huggingface/jinja`, within bounds.
 *
 * Follows transformers' `apply_chat_template`: the variables `messages`, `tools`, `documents`, `add_generation_prompt`,
 * `bos_token`, `eos_token`, the functions `raise_exception` and `strftime_now`. A template comes with a model from
 * elsewhere, so its length, its running time, `range` and its result are bounded; it runs in this process, where V8
 * stops it at the time limit. How message contents are kept from making control tokens: `encode-chat.ts`.
 */
import { runInNewContext } from 'node:vm';
import { Environment, Interpreter, Template } from '@huggingface/jinja';
import { FiducialError, isFiducialError, show } from '../../core/errors.ts';
import type { Json } from '../../core/values.ts';
import { isRecord } from './fields.ts';

/** One message; what else it carries (`name`, `tool_calls`, ...) is the template's affair. */
export interface ChatMessage {
  readonly role: string;
  readonly content?: Json;
  readonly [key: string]: Json | undefined;
}

/** What a template sees besides the messages, and its bounds. */
export interface ChatTemplateOptions {
  /** Ends the text where the assistant's reply begins; false unless told. */
  readonly addGenerationPrompt?: boolean;
  readonly tools?: readonly Json[];
  readonly documents?: readonly Json[];
  readonly bosToken?: string;
  readonly eosToken?: string;
  /** Further variables, for example `enable_thinking`. */
  readonly variables?: Readonly<Record<string, Json>>;
  /** The time that `strftime_now` tells; the present unless told. */
  readonly now?: Date;
  /** Running time after which a template is stopped; 2,000 unless told. */
  readonly timeLimitMs?: number;
}

/** Templates in use have 1 to 20 thousand characters. */
const MAX_TEMPLATE_LENGTH = 1 << 20;
const MAX_RESULT_LENGTH = 1 << 25;
const MAX_RANGE = 1_000_000;

/** Jinja's constants, in both spellings. */
const CONSTANTS = { true: true, false: false, none: null, True: true, False: false, None: null };

const parsed = new Map<string, Template>();

/**
 * The text that `template` makes of `messages`.
 *
 * @throws FiducialError `chat.template` for a template that can't be read, fails or exceeds its bounds;
 *   `chat.refused` with the template's own words where it calls `raise_exception`
 * @example renderChat(template, [{ role: 'user', content: 'Hi' }], { addGenerationPrompt: true });
 */
export function renderChat(
  template: string,
  messages: readonly ChatMessage[],
  options: ChatTemplateOptions = {},
): string {
  const program = parse(template);
  const variables: Record<string, unknown> = {
    ...CONSTANTS,
    ...options.variables,
    messages,
    tools: options.tools ?? null,
    documents: options.documents ?? null,
    add_generation_prompt: options.addGenerationPrompt ?? false,
    bos_token: options.bosToken ?? '',
    eos_token: options.eosToken ?? '',
    raise_exception: refuse,
    strftime_now: (format: unknown) => formatTime(options.now ?? new Date(), String(format)),
    range: boundedRange,
  };
  const timeLimitMs = options.timeLimitMs ?? 2000;
  let text: unknown;
  try {
    // V8 stops whatever runs inside at the time limit, also what was defined outside of the new context.
    text = runInNewContext('render()', { render: () => run(program, variables) }, { timeout: timeLimitMs });
  } catch (error) {
    if (isFiducialError(error)) throw error;
    // V8's own error comes from the new context, so it is no instance of this one's Error.
    const hasTimedOut = isRecord(error) && error.code === 'ERR_SCRIPT_EXECUTION_TIMEOUT';
    throw badTemplate(hasTimedOut ? `ran longer than ${timeLimitMs} ms` : `failed: ${messageOf(error)}`, error);
  }
  if (typeof text !== 'string') throw badTemplate(`gave ${show(text)}, not text`);
  if (text.length > MAX_RESULT_LENGTH)
    throw badTemplate(`made ${text.length} characters, more than ${MAX_RESULT_LENGTH}`);
  return text;
}

/** As the library's own `render`, but with this file's functions: the library lets nobody replace `range`. */
function run(program: Template, variables: Readonly<Record<string, unknown>>): unknown {
  const environment = new Environment();
  for (const [name, value] of Object.entries(variables)) environment.set(name, value);
  const result: unknown = new Interpreter(environment).run(program.parsed);
  return isRecord(result) ? result.value : result;
}

function parse(template: string): Template {
  const known = parsed.get(template);
  if (known !== undefined) return known;
  if (template.length > MAX_TEMPLATE_LENGTH) {
    throw badTemplate(`has ${template.length} characters, more than ${MAX_TEMPLATE_LENGTH}`);
  }
  let program: Template;
  try {
    program = new Template(template);
  } catch (error) {
    throw badTemplate(`can't be read: ${messageOf(error)}`, error);
  }
  if (parsed.size >= 16) parsed.clear();
  parsed.set(template, program);
  return program;
}

function refuse(words: unknown): never {
  throw new FiducialError(
    'chat.refused',
    `the model's chat template refuses this conversation: ${String(words)}`,
    'Change the messages as it asks (roles in turn, a system message first or none).',
  );
}

function boundedRange(...given: unknown[]): number[] {
  const numbers = given.filter((value) => typeof value === 'number');
  const [start, stop] = numbers.length > 1 ? [numbers[0]!, numbers[1]!] : [0, numbers[0] ?? 0];
  const step = numbers[2] ?? 1;
  const length = Math.max(0, Math.ceil((stop - start) / step));
  if (!(length <= MAX_RANGE)) throw badTemplate(`asks for range(${given.join(', ')}), more than ${MAX_RANGE} numbers`);
  return Array.from({ length }, (_, i) => start + i * step);
}

const DAYS = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday'];
const MONTHS = [
  'January',
  'February',
  'March',
  'April',
  'May',
  'June',
  'July',
  'August',
  'September',
  'October',
  'November',
  'December',
];

/** Python's `strftime` in the C locale, for the directives that templates use (`%-d` without its zero); others stay as they are. */
function formatTime(time: Date, format: string): string {
  const two = (value: number): string => String(value).padStart(2, '0');
  const directives: Record<string, () => string> = {
    Y: () => String(time.getFullYear()),
    y: () => two(time.getFullYear() % 100),
    m: () => two(time.getMonth() + 1),
    B: () => MONTHS[time.getMonth()]!,
    b: () => MONTHS[time.getMonth()]!.slice(0, 3),
    d: () => two(time.getDate()),
    A: () => DAYS[time.getDay()]!,
    a: () => DAYS[time.getDay()]!.slice(0, 3),
    H: () => two(time.getHours()),
    I: () => two(time.getHours() % 12 || 12),
    M: () => two(time.getMinutes()),
    S: () => two(time.getSeconds()),
    p: () => (time.getHours() < 12 ? 'AM' : 'PM'),
    '%': () => '%',
  };
  return format.replaceAll(/%(-?)([A-Za-z%])/g, (whole, dash: string, letter: string) => {
    const written = directives[letter]?.() ?? whole;
    return dash === '-' ? written.replace(/^0(?=\d)/, '') : written;
  });
}

function badTemplate(what: string, cause?: unknown): FiducialError {
  return new FiducialError(
    'chat.template',
    `the chat template ${what}`,
    "Check the model's chat_template.jinja or tokenizer_config.json, or give another template.",
    cause === undefined ? {} : { cause },
  );
}

function messageOf(error: unknown): string {
  return isRecord(error) && typeof error.message === 'string' ? error.message : String(error);
}
