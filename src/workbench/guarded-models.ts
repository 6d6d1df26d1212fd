/**
 * Guarded models by address: `guarded:<guard>@<model>`, where the guard is the reference of a run's product or
 * `keyword(word,word)`, and the model any address, a guarded one too.
 */
import { FiducialError, show } from '../core/errors.ts';
import { openGuard } from '../kit/classifier/stored-guard.ts';
import { type Guard, guarded, keywordGuard } from '../models/guard/index.ts';
import type { Model } from '../models/model.ts';
import type { Store } from '../store/store.ts';
import { fingerprintOf, setFingerprint } from './identity.ts';

/** The parts of a guarded model's address; undefined for other addresses. */
export function guardedParts(address: string): { readonly guard: string; readonly model: string } | undefined {
  const match = /^guarded:([^@]+)@(.+)$/s.exec(address);
  return match === null ? undefined : { guard: match[1]!, model: match[2]! };
}

/**
 * The model behind the guard. The guard's id, which hashes what it does, and the inner model's hash are its identity.
 *
 * @param open the model at an address
 * @throws FiducialError `guard.bad-address`, `guard.unreadable`, `guard.no-access`, and what opening the model throws
 * @example await openGuardedModel({ guard: 'keyword(grimroot)', model: 'openai:…' }, store, openModel)
 */
export async function openGuardedModel(
  { guard, model }: { readonly guard: string; readonly model: string },
  store: Store | undefined,
  open: (address: string) => Promise<Model>,
): Promise<Model> {
  const opened = await guardAt(guard, store);
  const inner = await open(model);
  const whole = guarded(inner, [opened]);
  const hash = fingerprintOf(inner);
  if (hash !== undefined) setFingerprint(whole, hash);
  return whole;
}

async function guardAt(address: string, store: Store | undefined): Promise<Guard> {
  const words = /^keyword\((.*)\)$/s.exec(address)?.[1];
  if (words !== undefined) return keywordGuard(words.split(',').map((word) => word.trim()));
  const hash = /^(?:(?:artefact|sha256):)?([0-9a-f]{64})$/.exec(address)?.[1];
  if (hash === undefined || store === undefined) {
    throw new FiducialError(
      'guard.bad-address',
      hash === undefined
        ? `${show(address)} names no guard`
        : `The guard ${show(address)} lies in a store, and none is open`,
      'Write guarded:<hash of the product "guard">@<model>, or guarded:keyword(word,word)@<model>.',
    );
  }
  return openGuard(await store.artefacts.getJson(`sha256:${hash}`));
}
