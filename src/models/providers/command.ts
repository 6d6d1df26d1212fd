/**
 * A local command as a model: the ask on its standard input, the reply on its standard output. Never through a shell.
 *
 * With `input: 'text'` the conversation is written as one text and all of standard output is the reply; with `'json'`
 * the whole ask is written as one JSON line, and the command may answer with text or with
 * `{ text, reasoning?, calls?, usage?, ended? }`. Output is bounded, and the whole process group ends with the call.
 * The command inherits the environment, as it would in a terminal, unless `env` names what it may see.
 */
import { spawn } from 'node:child_process';
import { FiducialError, show } from '../../core/errors.ts';
import type { Json } from '../../core/values.ts';
import { checkAsk } from '../capabilities.ts';
import { endpointError } from '../failure.ts';
import { plainAsk } from '../key.ts';
import type { Ask, Capabilities, Model, ReplyEvent } from '../model.ts';
import { asPrompt, estimateUsage, plainChat } from '../reply.ts';
import { abortReason, checkAborted, onAbort } from '../wrap.ts';
import { replyEvents } from './reply-value.ts';

export interface CommandOptions {
  /** @default 'json' when the command has an argument `--json`, else 'text' */
  readonly input?: 'text' | 'json';
  readonly cwd?: string;
  /** Names of the environment variables that it may see, beside PATH and HOME. @default all */
  readonly env?: readonly string[];
  /** @default 16 MiB */
  readonly maxBytes?: number;
  readonly capabilities?: Partial<Capabilities>;
}

/**
 * @param argv the program and its arguments
 * @throws FiducialError (when asked) `command.not-found`, `command.failed`, `endpoint.too-large`, `endpoint.not-utf8`
 * @example command(['./bot', '--json']);
 */
export function command(argv: readonly string[], options: CommandOptions = {}): Model {
  const [program, ...args] = argv;
  if (program === undefined || program === '') {
    throw new FiducialError('model.invalid-address', 'A command without a program', 'Write command:./bot --flag.');
  }
  const { maxBytes = 16 * 1024 * 1024, input = args.includes('--json') ? 'json' : 'text' } = options;
  const id = `command:${argv.map((word) => (/\s/.test(word) ? JSON.stringify(word) : word)).join(' ')}`;
  const capabilities: Capabilities = {
    ...plainChat,
    ...(input === 'json' ? { tools: true, schema: true, seed: true, reasoning: true } : {}),
    ...options.capabilities,
  };
  return {
    id,
    capabilities,
    endpoint: { kind: 'command', address: program },
    async *reply(ask, signal) {
      checkAsk(id, capabilities, ask);
      const stdin = input === 'json' ? `${JSON.stringify(plainAsk(ask))}\n` : asPrompt(ask.messages);
      const output = await run({ program, args, stdin, maxBytes, signal, options });
      yield* input === 'json' ? jsonEvents(output, ask) : replyEvents(trimLastNewline(output), ask);
    },
  };
}

function jsonEvents(output: string, ask: Ask): ReplyEvent[] {
  const trimmed = output.trim();
  let value: Json | undefined;
  try {
    value = JSON.parse(trimmed) as Json;
  } catch {
    value = undefined;
  }
  const isReply = typeof value === 'object' && value !== null && 'text' in value;
  if (isReply) return replyEvents(value, ask);
  const text = trimLastNewline(output);
  return [
    { type: 'text', text },
    { type: 'end', reason: 'stop', usage: estimateUsage(ask, text) },
  ];
}

interface Run {
  readonly program: string;
  readonly args: readonly string[];
  readonly stdin: string;
  readonly maxBytes: number;
  readonly signal: AbortSignal;
  readonly options: CommandOptions;
}

function run({ program, args, stdin, maxBytes, signal, options }: Run): Promise<string> {
  checkAborted(signal);
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      shell: false,
      // A group of its own, so that the command's own children end with it.
      detached: process.platform !== 'win32',
      stdio: ['pipe', 'pipe', 'pipe'],
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
      env: childEnvironment(options.env),
    });
    const chunks: Buffer[] = [];
    let bytes = 0;
    let complaint = '';
    let failure: Error | undefined;

    const kill = (error: Error) => {
      failure ??= error;
      try {
        if (child.pid !== undefined && process.platform !== 'win32') process.kill(-child.pid, 'SIGKILL');
        else child.kill('SIGKILL');
      } catch {
        child.kill('SIGKILL');
      }
    };
    const stopListening = onAbort(signal, () => kill(abortReason(signal)));

    child.stdout.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes <= maxBytes) chunks.push(chunk);
      else {
        kill(
          endpointError(
            'endpoint.too-large',
            `${program} wrote more than ${maxBytes} bytes`,
            'If replies of that size are meant, raise maxBytes.',
          ),
        );
      }
    });
    child.stderr.on('data', (chunk: Buffer) => {
      if (complaint.length < complaintLength) complaint += chunk.toString('utf8');
    });
    // A command that does not read its input closes the pipe; what it answers counts all the same.
    child.stdin.on('error', () => {});
    child.stdin.end(stdin);
    child.on('error', (cause: NodeJS.ErrnoException) => {
      stopListening();
      reject(
        failure ??
          new FiducialError(
            cause.code === 'ENOENT' ? 'command.not-found' : 'command.failed',
            `${show(program)} cannot be started (${cause.code ?? cause.message})`,
            'Check the path; the command is started directly, not through a shell.',
          ),
      );
    });
    child.on('close', (code, killedBy) => {
      stopListening();
      if (failure !== undefined) reject(failure);
      else if (code !== 0) {
        const words = complaint.replace(/\s+/g, ' ').trim().slice(0, complaintLength);
        reject(
          endpointError(
            'command.failed',
            `${program} ended with ${code === null ? `signal ${killedBy}` : `code ${code}`}${words === '' ? '' : `: ${words}`}`,
            'Run the command by hand with the same input.',
          ),
        );
      } else {
        try {
          resolve(new TextDecoder('utf-8', { fatal: true }).decode(Buffer.concat(chunks)));
        } catch {
          reject(endpointError('endpoint.not-utf8', `${program} wrote bytes that are not UTF-8`, 'Write UTF-8.'));
        }
      }
    });
  });
}

function childEnvironment(names: readonly string[] | undefined): NodeJS.ProcessEnv {
  if (names === undefined) return process.env;
  const visible: NodeJS.ProcessEnv = {};
  for (const name of ['PATH', 'HOME', ...names]) if (process.env[name] !== undefined) visible[name] = process.env[name];
  return visible;
}

/**
 * A command line as words: blanks part them, quotes hold them together, a backslash takes the next character as it is.
 * Nothing else of a shell is known: no variables, no globs, no pipes.
 *
 * @throws FiducialError `model.invalid-address` for an open quote
 * @example splitCommand(`./bot --name "my bot"`) // ['./bot', '--name', 'my bot']
 */
export function splitCommand(line: string): string[] {
  const words: string[] = [];
  let word: string | undefined;
  let quote: string | undefined;
  for (let i = 0; i < line.length; i++) {
    const character = line[i]!;
    if (character === '\\' && quote !== "'" && i + 1 < line.length) word = (word ?? '') + line[++i]!;
    else if (quote !== undefined) {
      if (character === quote) quote = undefined;
      else word += character;
    } else if (character === '"' || character === "'") {
      quote = character;
      word ??= '';
    } else if (/\s/.test(character)) {
      if (word !== undefined) words.push(word);
      word = undefined;
    } else word = (word ?? '') + character;
  }
  if (quote !== undefined) {
    throw new FiducialError('model.invalid-address', `An open ${quote} in the command ${show(line)}`, 'Close it.');
  }
  if (word !== undefined) words.push(word);
  return words;
}

function trimLastNewline(text: string): string {
  return text.replace(/\r?\n$/, '');
}

const complaintLength = 300;
