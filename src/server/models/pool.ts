/**
 * Models that screens talk to, opened at the first word and closed when nobody spoke for a while or others need room.
 *
 * An address is one that a run would take; `demo:redteam/best-of-n#target` is the planted model of a method's
 * demonstration, which needs no key and no network.
 */
import { FiducialError } from '../../core/errors.ts';
import { createRedactor } from '../../models/redact.ts';
import { decorate } from '../../models/decorate.ts';
import type { Model } from '../../models/model.ts';
import type { Config } from '../../workbench/config.ts';
import { openModel } from '../../workbench/open-models.ts';
import { methodOf } from '../../workbench/resume.ts';

interface Kept {
  readonly model: Promise<Model>;
  usedMs: number;
  users: number;
}

export interface ModelPool {
  /** Opens the model for as long as `body` runs, with secrets masked in what it says. */
  with<T>(address: string, body: (model: Model) => Promise<T>): Promise<T>;
  close(): Promise<void>;
}

const mostOpen = 4;
const idleMs = 10 * 60_000;

export function openPool(config: Config): ModelPool {
  const kept = new Map<string, Kept>();
  const redactor = createRedactor();
  const drop = async (address: string): Promise<void> => {
    const entry = kept.get(address);
    kept.delete(address);
    const model = await entry?.model.catch(() => undefined);
    if (model !== undefined && 'close' in model && typeof model.close === 'function') await model.close();
  };
  const makeRoom = async (): Promise<void> => {
    const free = [...kept].filter(([, { users }]) => users === 0).sort(([, a], [, b]) => a.usedMs - b.usedMs);
    for (const [address] of free.slice(0, Math.max(0, kept.size - mostOpen))) await drop(address);
  };
  const timer = setInterval(() => {
    for (const [address, { users, usedMs }] of kept) {
      if (users === 0 && Date.now() - usedMs > idleMs) void drop(address);
    }
  }, 60_000);
  timer.unref();
  return {
    async with(address, body) {
      let entry = kept.get(address);
      if (entry === undefined) {
        entry = { model: open(address, config), usedMs: Date.now(), users: 0 };
        kept.set(address, entry);
        entry.model.catch(() => kept.delete(address));
      }
      entry.users++;
      try {
        const model = await entry.model;
        return await body(decorate(model, { redactor }).model);
      } finally {
        entry.users--;
        entry.usedMs = Date.now();
        await makeRoom();
      }
    },
    async close() {
      clearInterval(timer);
      await Promise.all([...kept.keys()].map(drop));
    },
  };
}

async function open(address: string, config: Config): Promise<Model> {
  const demo = /^demo:([^#]+)#(.+)$/.exec(address);
  if (demo === null) return await openModel(address, { aliases: config.models });
  const given = (await methodOf(demo[1]!).demo.given()) as Readonly<Record<string, unknown>>;
  const model = given[demo[2]!];
  if (model !== null && typeof model === 'object' && 'reply' in model) return model as Model;
  throw new FiducialError(
    'model.invalid-address',
    `The demonstration of ${demo[1]} has no model in the role ${demo[2]}`,
    'fiducial methods shows its roles.',
  );
}
