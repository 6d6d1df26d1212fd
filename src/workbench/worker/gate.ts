/** Lets so many through at once, in the order of asking. */

export interface Gate {
  pass<T>(body: () => Promise<T>): Promise<T>;
}

/** @param width how many at once, from 1 */
export function openGate(width: number): Gate {
  let inside = 0;
  const waiting: (() => void)[] = [];
  return {
    async pass(body) {
      if (inside >= width) await new Promise<void>((resolve) => waiting.push(resolve));
      else inside++;
      try {
        return await body();
      } finally {
        // The place is handed on, and not given back, while somebody waits.
        const next = waiting.shift();
        if (next === undefined) inside--;
        else next();
      }
    },
  };
}
