/** Values from the server in a component: loaded, loaded again, and moved by the log as it grows. */
import { useCallback, useEffect, useRef, useState } from 'react';
import type { LiveEvent } from '../../src/server/types.ts';

export interface Loaded<T> {
  /** The last one, also while a newer one is on its way. */
  readonly value: T | undefined;
  readonly error: Error | undefined;
  readonly again: () => void;
}

/** Loads when the key changes or is asked again; an answer that comes too late is dropped. */
export function useLoad<T>(key: string, load: () => Promise<T>): Loaded<T> {
  const [state, setState] = useState<{ key: string; value?: T; error?: Error }>({ key });
  const [round, setRound] = useState(0);
  const loader = useRef(load);
  loader.current = load;
  useEffect(() => {
    let isCurrent = true;
    loader.current().then(
      (value) => isCurrent && setState({ key, value }),
      (error: unknown) =>
        isCurrent &&
        setState((old) => ({
          ...(old.key === key ? old : { key }),
          error: error instanceof Error ? error : new Error(String(error)),
        })),
    );
    return () => {
      isCurrent = false;
    };
  }, [key, round]);
  const again = useCallback(() => setRound((n) => n + 1), []);
  const isSame = state.key === key;
  return { value: isSame ? state.value : undefined, error: isSame ? state.error : undefined, again };
}

/**
 * Follows a log. The browser comes back by itself after a break, and names the last event that it saw.
 *
 * @param path undefined: follows nothing
 */
export function useLive(path: string | undefined, hear: (events: readonly LiveEvent[]) => void): boolean {
  const [isOpen, setIsOpen] = useState(false);
  const listener = useRef(hear);
  listener.current = hear;
  useEffect(() => {
    if (path === undefined) return;
    const source = new EventSource(path);
    source.addEventListener('ready', () => setIsOpen(true));
    source.addEventListener('events', (event) =>
      listener.current(JSON.parse(event.data as string) as readonly LiveEvent[]),
    );
    source.addEventListener('error', () => setIsOpen(false));
    return () => {
      source.close();
      setIsOpen(false);
    };
  }, [path]);
  return isOpen;
}

/** Calls at most once in a while, the last time included. */
export function useThrottled(call: () => void, everyMs: number): () => void {
  const timer = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);
  const last = useRef(0);
  const current = useRef(call);
  current.current = call;
  useEffect(() => () => clearTimeout(timer.current), []);
  return useCallback(() => {
    if (timer.current !== undefined) return;
    const wait = Math.max(0, last.current + everyMs - Date.now());
    timer.current = setTimeout(() => {
      timer.current = undefined;
      last.current = Date.now();
      current.current();
    }, wait);
  }, [everyMs]);
}
