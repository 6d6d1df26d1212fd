/**
 * Where in a run the code that is running stands: a trial, a step, an iteration, a child.
 *
 * Calls are addressed by their place, so that a trial that is run again finds its own calls whatever ran beside it. The
 * place travels with the asynchronous call (AsyncLocalStorage), so a judge or a guard that was built once, outside,
 * still records each call under the trial that made it.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import type { Decorated } from '../models/decorate.ts';
import type { Model } from '../models/model.ts';
import { wrap } from '../models/wrap.ts';

export interface Frame {
  readonly name: string;
  readonly parent: Frame | undefined;
  /** Recorders made for this frame: each counts equal asks, so there is one a model. */
  readonly recorders: Map<object, Model>;
}

const storage = new AsyncLocalStorage<Frame>();

/** Runs `body` inside a frame of this name. */
export function inFrame<T>(name: string, body: () => Promise<T>): Promise<T> {
  return storage.run({ name, parent: storage.getStore(), recorders: new Map() }, body);
}

export function currentFrame(): Frame | undefined {
  return storage.getStore();
}

/** The names from below `root` to here, joined: `trial/attack/item-3`. Empty at the root itself. */
export function pathFrom(root: Frame | undefined, frame: Frame | undefined = storage.getStore()): string {
  const names: string[] = [];
  for (let at = frame; at !== undefined && at !== root; at = at.parent) names.unshift(at.name);
  return names.join('/');
}

/**
 * A decorated model whose calls are recorded under the frame in which they are made.
 *
 * @param root the frame in which the run itself stands; its name is no part of the address
 */
export function scoped<M extends Model>(decorated: Decorated<M>, root: Frame | undefined): M {
  return wrap(decorated.model, (ask, signal, options) => {
    const frame = storage.getStore();
    if (frame === undefined || frame === root) return decorated.model.reply(ask, signal, options);
    let recorder = frame.recorders.get(decorated);
    if (recorder === undefined) {
      recorder = decorated.within(pathFrom(root, frame));
      frame.recorders.set(decorated, recorder);
    }
    return recorder.reply(ask, signal, options);
  });
}
