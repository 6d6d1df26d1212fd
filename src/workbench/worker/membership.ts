/**
 * Who is alive among the workers: one lease a worker, renewed while it lives, and the taking over of those that let
 * theirs lapse.
 *
 * The lease is the fence too: every write of a worker carries its token, so one that was frozen, taken over and thawed is
 * refused by the store. Whoever takes over first raises the token, then hands the jobs back, then books what was set
 * aside; if it dies in between, its own claim lapses and the next one does the same again. After an outage of the server
 * every lease has lapsed, so nobody is taken over until the others had a lease's time to report.
 */
import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import { isFiducialError } from '../../core/errors.ts';
import type { Lease, Store } from '../../store/store.ts';

const prefix = 'worker/';

/** Who is at work on a store, by version: those whose lease has not lapsed. */
export async function workersAt(
  store: Store,
): Promise<readonly { readonly executor: string; readonly version: string }[]> {
  const leases = await store.leases.list(prefix, { expired: false });
  return leases.map(({ name }) => readName(name));
}

function readName(name: string): { readonly executor: string; readonly version: string } {
  const [version, executor] = name.slice(prefix.length).split('/');
  return { version: version!, executor: executor! };
}

export interface MembershipOptions {
  readonly version: string;
  readonly leaseMs: number;
  /** What a dead worker had is handed on. Must be safe to do twice. */
  readonly takeOver: (executor: string) => Promise<void>;
  /** Whoever has work. One without a lease of any kind is dead too: thawed, it took work under a name that was buried. */
  readonly busy: () => Promise<ReadonlySet<string>>;
  /** Called once: this worker was taken over, and may write nothing more. */
  readonly onFenced: (error: Error) => void;
  readonly say: (line: string) => void;
}

export interface Membership {
  readonly executor: string;
  readonly lease: Lease;
  /** Asks the store before new work is begun, when nothing was heard of it for long. @throws FiducialError `store.fenced` */
  check(): Promise<void>;
  /** Gives the lease back; the caller has handed its jobs on before. */
  leave(): Promise<void>;
}

/** A new name each time: a name that lives twice would share its jobs. */
export async function join(store: Store, options: MembershipOptions): Promise<Membership> {
  const executor = `${hostname()}:${process.pid}:${randomUUID().slice(0, 8)}`;
  const { leaseMs, onFenced, say } = options;
  const first = await store.leases.acquire(`${prefix}${options.version}/${executor}`, executor, leaseMs);
  if (first === undefined) throw new Error(`the lease of ${executor}, which was just made up, is taken`);
  let lease = first;
  let isOver = false;
  let steadySinceMs = performance.now();
  let lastRenewedMs = performance.now();

  const renew = async (): Promise<void> => {
    lease = await store.leases.renew(lease, leaseMs);
  };

  const beat = async (): Promise<void> => {
    const beganMs = performance.now();
    const silence = setTimeout(() => say(`the store ${store.address} does not answer; waiting for it`), leaseMs / 3);
    try {
      await renew();
    } finally {
      clearTimeout(silence);
    }
    const nowMs = performance.now();
    if (nowMs - beganMs > leaseMs / 3) say(`the store answers again, after ${Math.round((nowMs - beganMs) / 1000)} s`);
    // Frozen, or cut off: the leases of others say nothing until they had time to be renewed.
    if (nowMs - lastRenewedMs > leaseMs * 0.8) steadySinceMs = nowMs;
    lastRenewedMs = nowMs;
    if (nowMs - steadySinceMs < leaseMs) return;
    // In this order: whoever is seen to have work had a lease before that.
    const busy = await options.busy();
    const leases = await store.leases.list(prefix);
    const expired = new Set((await store.leases.list(prefix, { expired: true })).map(({ name }) => name));
    for (const dead of leases) if (dead.name !== first.name && expired.has(dead.name)) await bury(dead);
    const known = new Set(leases.map(({ name }) => readName(name).executor));
    for (const each of busy) if (!known.has(each)) await options.takeOver(each);
  };

  const bury = async (dead: Lease): Promise<void> => {
    const claim = await store.leases.acquire(dead.name, `${executor} for the dead`, leaseMs);
    if (claim === undefined) return;
    const { executor: gone } = readName(dead.name);
    say(`worker ${gone} has not been heard of for ${leaseMs / 1000} s; its work is taken over`);
    await options.takeOver(gone);
    await store.leases.release(claim);
  };

  let timer: NodeJS.Timeout;
  let beating: Promise<void> = Promise.resolve();
  const schedule = (): void => {
    timer = setTimeout(() => {
      beating = beat().then(
        () => {
          if (!isOver) schedule();
        },
        (error: unknown) => {
          if (isOver) return;
          if (isFiducialError(error, 'store.fenced')) {
            isOver = true;
            onFenced(error);
            return;
          }
          say(error instanceof Error ? error.message : String(error));
          schedule();
        },
      );
    }, leaseMs / 4);
  };
  schedule();

  return {
    executor,
    lease: first,
    async check() {
      if (performance.now() - lastRenewedMs > leaseMs / 2) await renew();
    },
    async leave() {
      isOver = true;
      clearTimeout(timer);
      await beating;
      await store.leases.release(lease);
    },
  };
}
