/**
 * An open model in a thread of its own, so that a server or a terminal stays alive while the engine traces a graph or
 * makes a session there, both of which hold their thread for hundreds of milliseconds.
 *
 * A worker that dies (out of memory, a fault) ends the calls under way with `model.worker-crashed`, and the next call
 * starts another. From source the worker runs TypeScript through tsx, as the command line does.
 */
import type { Worker } from 'node:worker_threads';
import { FiducialError } from '../../core/errors.ts';
import type { Ask, CallOptions, Capabilities, ReplyEvent, TokenLogprob } from '../model.ts';
import { abortReason, checkAborted, onAbort } from '../wrap.ts';
import type { CompletionSettings, Embeddings, LocalModel, OpenModelOptions, ScoredToken } from './local-model.ts';
import {
  fromPlain,
  type FromWorker,
  type StreamCall,
  type ToWorker,
  type ValueCall,
  type WorkerStart,
} from './protocol.ts';
import { startThread } from './start-thread.ts';

export interface WorkerModelOptions extends OpenModelOptions {
  /** JavaScript heap of the worker; weights and sessions lie outside of it. Node's own limit unless told. */
  readonly maxHeapMiB?: number;
}

export interface WorkerModel extends LocalModel {
  /** How many threads have been started, the first included. */
  readonly starts: number;
  /** Ends the thread at once, as a crash would: calls under way fail, the next one starts another. */
  terminate(): Promise<void>;
}

/**
 * As `openModel`, in a worker.
 *
 * @throws FiducialError as `openModel`; `model.worker-crashed` from calls whose worker died
 * @example
 * const model = await openModelInWorker('./qwen');
 * for await (const event of model.reply(ask, signal, { incremental: true })) show(event);
 * await model.close();
 */
export async function openModelInWorker(folderOrId: string, options: WorkerModelOptions = {}): Promise<WorkerModel> {
  const { maxHeapMiB, ...rest } = options;
  const start = (): Thread => new Thread({ folder: folderOrId, options: rest }, maxHeapMiB);
  const first = start();
  return new ThreadModel(await first.opened, options.address, first, start);
}

class ThreadModel implements WorkerModel {
  readonly id: string;
  readonly weightsHash?: string;
  readonly address?: string;
  readonly capabilities: Capabilities;
  starts = 1;
  #thread: Thread;
  readonly #start: () => Thread;
  #isClosed = false;

  constructor(opened: Opened, address: string | undefined, thread: Thread, start: () => Thread) {
    this.id = opened.id;
    if (opened.weightsHash !== undefined) this.weightsHash = opened.weightsHash;
    if (address !== undefined) this.address = address;
    this.capabilities = opened.capabilities;
    this.#thread = thread;
    this.#start = start;
  }

  reply(ask: Ask, signal: AbortSignal, options?: CallOptions): AsyncGenerator<ReplyEvent> {
    return this.#stream({ do: 'reply', ask, incremental: options?.incremental === true }, signal);
  }

  complete(
    text: string,
    settings: CompletionSettings,
    signal: AbortSignal,
    options?: CallOptions,
  ): AsyncGenerator<ReplyEvent> {
    return this.#stream({ do: 'complete', text, settings, incremental: options?.incremental === true }, signal);
  }

  countTokens(ask: Ask): Promise<number> {
    return this.#value<number>({ do: 'countTokens', ask });
  }

  logprobs(ask: Ask, completion: string): Promise<TokenLogprob[]> {
    return this.#value<TokenLogprob[]>({ do: 'logprobs', ask, completion });
  }

  score(text: string, top = 0): Promise<ScoredToken[]> {
    return this.#value<ScoredToken[]>({ do: 'score', text, top });
  }

  embed(texts: readonly string[]): Promise<Embeddings> {
    return this.#value<Embeddings>({ do: 'embed', texts });
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#thread.close();
  }

  async terminate(): Promise<void> {
    await this.#thread.terminate();
  }

  async *#stream(call: StreamCall, signal: AbortSignal): AsyncGenerator<ReplyEvent> {
    checkAborted(signal);
    const thread = await this.#alive();
    yield* thread.stream(call, signal);
  }

  /** The worker's values are what the call's type says: both sides are this folder's code of one version. */
  async #value<T>(call: ValueCall): Promise<T> {
    const thread = await this.#alive();
    return (await thread.value(call)) as T;
  }

  async #alive(): Promise<Thread> {
    if (this.#isClosed) throw new FiducialError('model.closed', `${this.id} was closed`, 'Open it again.');
    if (this.#thread.isDead) {
      this.#thread = this.#start();
      this.starts++;
    }
    const thread = this.#thread;
    await thread.opened;
    return thread;
  }
}

/** What waits for messages about one call. */
interface Waiting {
  take(
    message: Extract<FromWorker, { readonly id: number; readonly type: 'event' | 'done' | 'value' | 'error' }>,
  ): void;
  fail(error: FiducialError): void;
}

interface Opened {
  readonly id: string;
  readonly weightsHash: string | undefined;
  readonly capabilities: Capabilities;
}

/** One life of a worker. */
class Thread {
  readonly opened: Promise<Opened>;
  isDead = false;
  readonly #worker: Worker;
  readonly #waiting = new Map<number, Waiting>();
  readonly #ended: Promise<void>;
  #calls = 0;

  constructor(start: WorkerStart, maxHeapMiB: number | undefined) {
    this.#worker = startThread('./worker', import.meta.url, start, maxHeapMiB);
    let reason: string | undefined;
    const opening: { resolve(model: Opened): void; reject(error: Error): void } = { resolve() {}, reject() {} };
    this.opened = new Promise<Opened>((resolve, reject) => Object.assign(opening, { resolve, reject }));
    // Whoever waits for it gets the error; without anybody waiting it must not end the process.
    this.opened.catch(() => {});
    this.#worker.on('message', (message: FromWorker) => {
      if (message.type === 'open') {
        const { id, weightsHash, capabilities } = message;
        opening.resolve({ id, weightsHash, capabilities });
        this.#hold();
      } else if (message.type === 'failed') {
        opening.reject(fromPlain(message.error));
        this.#send({ type: 'close' });
      } else this.#waiting.get(message.id)?.take(message);
    });
    this.#worker.on('error', (error: unknown) => (reason = error instanceof Error ? error.message : String(error)));
    this.#ended = new Promise((resolve) => {
      this.#worker.once('exit', (code) => {
        this.isDead = true;
        const error = crashed(start.folder, reason ?? `it ended with code ${code}`);
        opening.reject(error);
        for (const waiting of this.#waiting.values()) waiting.fail(error);
        this.#waiting.clear();
        resolve();
      });
    });
  }

  value(call: ValueCall): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const id = this.#ask(call, {
        take: (message) => {
          this.#forget(id);
          if (message.type === 'value') resolve(message.value);
          else if (message.type === 'error') reject(fromPlain(message.error));
        },
        fail: reject,
      });
    });
  }

  async *stream(call: StreamCall, signal: AbortSignal): AsyncGenerator<ReplyEvent> {
    const events: ReplyEvent[] = [];
    let outcome: { readonly error?: Error } | undefined;
    let wake = (): void => {};
    const end = (how: { readonly error?: Error }): void => {
      outcome ??= how;
      wake();
    };
    const id = this.#ask(call, {
      take: (message) => {
        if (message.type === 'event') {
          events.push(message.event);
          wake();
        } else if (message.type === 'error') end({ error: fromPlain(message.error) });
        else end({});
      },
      fail: (error) => end({ error }),
    });
    const stopListening = onAbort(signal, () => end({ error: abortReason(signal) }));
    let isFinished = false;
    try {
      for (;;) {
        const event = signal.aborted ? undefined : events.shift();
        if (event !== undefined) yield event;
        else if (outcome === undefined) await new Promise<void>((resolve) => (wake = resolve));
        else if (outcome.error !== undefined) throw outcome.error;
        else {
          isFinished = true;
          return;
        }
      }
    } finally {
      stopListening();
      this.#forget(id);
      if (!isFinished && !this.isDead) this.#send({ type: 'cancel', id });
    }
  }

  async close(): Promise<void> {
    if (this.isDead) return;
    this.#worker.ref();
    this.#send({ type: 'close' });
    const timer = setTimeout(() => void this.#worker.terminate(), CLOSE_TIMEOUT_MS);
    timer.unref();
    await this.#ended;
    clearTimeout(timer);
  }

  async terminate(): Promise<void> {
    this.#worker.ref();
    await this.#worker.terminate();
    await this.#ended;
  }

  #ask(call: StreamCall | ValueCall, waiting: Waiting): number {
    const id = this.#calls++;
    this.#waiting.set(id, waiting);
    this.#hold();
    this.#send({ type: 'call', id, call });
    return id;
  }

  #forget(id: number): void {
    this.#waiting.delete(id);
    this.#hold();
  }

  /** Keeps the process alive for calls under way, and for nothing else: an idle model must not. */
  #hold(): void {
    if (this.#waiting.size > 0) this.#worker.ref();
    else this.#worker.unref();
  }

  #send(message: ToWorker): void {
    this.#worker.postMessage(message, []);
  }
}

/** A worker in the middle of a step hears `close` when the step is over. */
const CLOSE_TIMEOUT_MS = 10_000;

function crashed(folder: string, reason: string): FiducialError {
  return new FiducialError(
    'model.worker-crashed',
    `The worker of ${folder} died: ${reason}`,
    'The next call starts it again. If it ran out of memory, use shorter prompts, fewer rows (maxRows) or a smaller model.',
  );
}
