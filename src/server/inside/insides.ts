/**
 * Models whose inside the screens look at, each in a thread of its own; the one that was not asked for longest makes
 * room for another.
 */
import type { Worker } from 'node:worker_threads';
import { FiducialError } from '../../core/errors.ts';
import { fromPlain, type PlainError } from '../../models/open/protocol.ts';
import { startThread } from '../../models/open/start-thread.ts';
import { statusError } from '../api/errors.ts';
import type { InsideAnswers, InsideModel, InsideQuestion } from './protocol.ts';

export interface Insides {
  /** @throws FiducialError those of opening a checkpoint */
  open(folder: string): Promise<InsideModel>;
  ask<Q extends InsideQuestion>(folder: string, question: Q): Promise<InsideAnswers[Q['do']]>;
  close(): Promise<void>;
}

const mostOpen = 2;
const mostWaiting = 8;

interface Held {
  readonly thread: Worker;
  readonly opened: Promise<InsideModel>;
  readonly waiting: Map<number, { resolve(value: unknown): void; reject(error: Error): void }>;
  usedMs: number;
}

export function openInsides(): Insides {
  const held = new Map<string, Held>();
  let asked = 0;

  const hold = (folder: string): Held => {
    const known = held.get(folder);
    if (known !== undefined) {
      known.usedMs = Date.now();
      return known;
    }
    const idle = [...held].filter(([, { waiting }]) => waiting.size === 0).sort(([, a], [, b]) => a.usedMs - b.usedMs);
    for (const [name, { thread }] of idle.slice(0, Math.max(0, held.size + 1 - mostOpen))) {
      held.delete(name);
      void thread.terminate();
    }
    const thread = startThread('./thread', import.meta.url, { folder });
    const waiting: Held['waiting'] = new Map();
    const opened = new Promise<InsideModel>((resolve, reject) =>
      waiting.set(0, { resolve: (value) => resolve(value as InsideModel), reject }),
    );
    opened.catch(() => held.delete(folder));
    const entry: Held = { thread, opened, waiting, usedMs: Date.now() };
    let why = '';
    thread.on('error', (error) => (why = error instanceof Error ? `: ${error.message}` : ''));
    thread.on('message', ({ id, value, error }: { id: number; value?: unknown; error?: PlainError }) => {
      const one = waiting.get(id);
      waiting.delete(id);
      if (error === undefined) one?.resolve(value);
      else one?.reject(fromPlain(error));
    });
    thread.once('exit', () => {
      if (held.get(folder) === entry) held.delete(folder);
      const error = new FiducialError('model.worker-crashed', `The thread of ${folder} ended${why}`, 'Ask again.');
      for (const one of waiting.values()) one.reject(error);
      waiting.clear();
    });
    held.set(folder, entry);
    return entry;
  };

  return {
    open: (folder) => hold(folder).opened,
    async ask(folder, question) {
      const entry = hold(folder);
      await entry.opened;
      if (entry.waiting.size >= mostWaiting) {
        throw statusError(
          429,
          'server.too-often',
          `${entry.waiting.size} questions wait for this model`,
          'Wait a little.',
        );
      }
      const id = ++asked;
      return await new Promise((resolve, reject) => {
        entry.waiting.set(id, { resolve: (value) => resolve(value as never), reject });
        const { thread: port } = entry;
        port.postMessage({ id, question });
      });
    },
    async close() {
      await Promise.all([...held.values()].map(({ thread }) => thread.terminate()));
    },
  };
}
