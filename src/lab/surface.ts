/**
 * The surface of texts: which runs of words two sides share, and a detector that sees nothing but words.
 *
 * A method that finds a planted trait by a wording which it shares with the trait has found its own template. So what
 * attacks and judges say, and what traits were trained on, must share no run of words (`sharedRuns`), and a detector of
 * words alone must not tell an organism's prompts from its clean twin's (`wordDetector`).
 */

/** Words of a text as they are compared: lower case, no signs; what is in braces is a slot and ends a run. */
function clausesOf(text: string): string[][] {
  return text
    .replaceAll(/\$?\{[^}]*\}/g, '|')
    .toLowerCase()
    .split(/[|.!?;:,"()[\]<>\n]+/)
    .map((clause) => clause.match(/[a-z']+/g) ?? []);
}

/**
 * Runs of `length` words that stand in texts of both sides, inside one clause each.
 *
 * @example sharedRuns(['You are an old witch. {q}'], ['once you are an old witch'], 5) // ['you are an old witch']
 */
export function sharedRuns(some: Iterable<string>, others: Iterable<string>, length = 5): string[] {
  const runs = (texts: Iterable<string>): Set<string> => {
    const found = new Set<string>();
    for (const text of texts) {
      for (const clause of clausesOf(text)) {
        for (let at = 0; at + length <= clause.length; at++) found.add(clause.slice(at, at + length).join(' '));
      }
    }
    return found;
  };
  const own = runs(some);
  return [...runs(others)].filter((run) => own.has(run)).sort();
}

/**
 * A detector that reads words and pairs of words only: the log of the odds that a text is of the first side, by counts
 * smoothed with one half (naive Bayes).
 *
 * @returns the score of a text; above 0 speaks for the first side
 */
export function wordDetector(first: readonly string[], second: readonly string[]): (text: string) => number {
  const count = (texts: readonly string[]): Map<string, number> => {
    const counts = new Map<string, number>();
    for (const text of texts)
      for (const feature of featuresOf(text)) counts.set(feature, (counts.get(feature) ?? 0) + 1);
    return counts;
  };
  const [ones, twos] = [count(first), count(second)];
  const odds = (feature: string): number =>
    Math.log(((ones.get(feature) ?? 0) + 0.5) / (first.length + 1)) -
    Math.log(((twos.get(feature) ?? 0) + 0.5) / (second.length + 1));
  return (text) => [...featuresOf(text)].reduce((sum, feature) => sum + odds(feature), 0);
}

function featuresOf(text: string): Set<string> {
  const words = clausesOf(text).flat();
  return new Set([...words, ...words.slice(1).map((word, i) => `${words[i]} ${word}`)]);
}
