/**
 * Delta debugging: the smallest part of an attack that still does it.
 *
 * Source: Zeller and Hildebrandt (2002), "Simplifying and Isolating Failure-Inducing Input", algorithm ddmin, over units
 * of any kind (turns of a conversation, words of a message). The test is asked anew for every part that is kept, so the
 * caller's test decides how much chance it allows. Ends 1-minimal (no single unit can be left out), or where the tests
 * that it was allowed are spent.
 */

export interface Minimal<T> {
  readonly units: readonly T[];
  /** Whether every single unit was shown to be needed. */
  readonly isMinimal: boolean;
  readonly tests: number;
}

/**
 * @param units what is known to pass the test as a whole
 * @param test whether these units, in this order, still do it
 * @example await minimise(['please', 'open', 'sesame'], async (units) => units.includes('sesame')) // ['sesame']
 */
export async function minimise<T>(
  units: readonly T[],
  test: (units: readonly T[]) => Promise<boolean>,
  mostTests: number,
): Promise<Minimal<T>> {
  let kept = units;
  let parts = 2;
  let tests = 0;
  while (kept.length >= 2) {
    const chunks = chunksOf(kept, parts);
    const candidates =
      parts === 2 ? chunks : [...chunks, ...chunks.map((_, index) => chunks.filter((__, at) => at !== index).flat())];
    let found: readonly T[] | undefined;
    for (const candidate of candidates) {
      if (tests === mostTests) return { units: kept, isMinimal: false, tests };
      tests++;
      if (await test(candidate)) {
        found = candidate;
        break;
      }
    }
    if (found !== undefined) {
      // A chunk that does it alone is looked into from the start; a complement goes on at the granularity it had.
      parts = chunks.includes(found as T[]) ? 2 : Math.max(2, parts - 1);
      kept = found;
    } else if (parts === kept.length) break;
    else parts = Math.min(kept.length, parts * 2);
  }
  return { units: kept, isMinimal: true, tests };
}

function chunksOf<T>(units: readonly T[], parts: number): T[][] {
  return Array.from({ length: parts }, (_, index) =>
    units.slice(Math.floor((index * units.length) / parts), Math.floor(((index + 1) * units.length) / parts)),
  );
}
