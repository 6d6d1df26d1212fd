/**
 * One process at a time works on a run: a lease that is renewed while the work goes on.
 *
 * The owner's name says host and process, so that after a kill the same machine sees that the owner is dead and goes on
 * at once; another machine waits until the lease lapses. Every write carries the lease, so a process that slept through
 * it is refused by the store.
 */
import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import { FiducialError } from '../core/errors.ts';
import type { Lease, Run, Store } from '../store/store.ts';

const durationMs = 15_000;

export interface Held {
  /** The run, whose writes are refused once somebody else took it over. */
  readonly run: Run;
  /** A child of that run, under the same right. */
  readonly fence: (child: Run) => Run;
  release(): Promise<void>;
}

/**
 * Takes the run for this process.
 *
 * @param onLost called once when the lease could not be renewed
 * @throws FiducialError `run.busy` while another live process holds it
 */
export async function hold(store: Store, run: Run, onLost: (error: unknown) => void): Promise<Held> {
  const name = `run/${run.id}`;
  const current = await store.leases.get(name);
  // Asking in a dead owner's name is a new claim with a higher token: whoever still used that name is fenced off.
  const owner = current !== undefined && isDead(current.owner) ? current.owner : ownName();
  const lease = await store.leases.acquire(name, owner, durationMs);
  if (lease === undefined) {
    const busy = await store.leases.get(name);
    throw new FiducialError(
      'run.busy',
      `Run ${run.id} is being worked on by ${describeOwner(busy?.owner ?? 'another process')}`,
      'Wait for it, or stop that process; a lease that nobody renews lapses within 15 s.',
    );
  }
  return keep(store, run, lease, onLost);
}

function keep(store: Store, run: Run, first: Lease, onLost: (error: unknown) => void): Held {
  let lease = first;
  let renewing: Promise<void> = Promise.resolve();
  const timer = setInterval(() => {
    renewing = store.leases.renew(lease, durationMs).then(
      (renewed) => {
        lease = renewed;
      },
      (error: unknown) => {
        clearInterval(timer);
        onLost(error);
      },
    );
  }, durationMs / 3);
  timer.unref();
  return {
    run: run.holding(first),
    fence: (child) => child.holding(first),
    async release() {
      clearInterval(timer);
      await renewing;
      await store.leases.release(lease);
    },
  };
}

const host = hostname();

function ownName(): string {
  return `${host}:${process.pid}:${randomUUID().slice(0, 8)}`;
}

/** Whether an owner of this machine runs no more. What is not known to be dead is alive. */
function isDead(owner: string): boolean {
  const match = /^(.*):(\d+):[0-9a-f]{8}$/.exec(owner);
  if (match === null || match[1] !== host) return false;
  const pid = Number(match[2]);
  if (pid === process.pid) return false;
  try {
    process.kill(pid, 0);
    return false;
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'ESRCH';
  }
}

function describeOwner(owner: string): string {
  const match = /^(.*):(\d+):[0-9a-f]{8}$/.exec(owner);
  return match === null ? owner : `process ${match[2]} on ${match[1]}`;
}
