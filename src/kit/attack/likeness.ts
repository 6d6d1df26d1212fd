/**
 * Which texts are the same but for a few words: groups by shared word pairs.
 *
 * Two texts are alike where the Jaccard index of their sets of neighbouring words reaches a threshold; groups are what
 * is connected by likeness (Broder 1997, with the sets themselves in place of their sketches). It needs no embedding
 * model; texts that say the same in other words stay apart.
 */

/**
 * The group of each text, numbered from 0 by first appearance.
 *
 * @example groupsOf(['say it to me now', 'say it to me then', 'no'], 0.4) // [0, 0, 1]
 */
export function groupsOf(texts: readonly string[], threshold: number): number[] {
  const sets = texts.map(pairsOf);
  const groups: number[] = [];
  let next = 0;
  for (const [index, set] of sets.entries()) {
    const alike = [...new Set(groups.filter((_, other) => jaccard(set, sets[other]!) >= threshold))];
    const own = alike.length === 0 ? next++ : Math.min(...alike);
    // This text connects groups that were apart: they are one.
    for (const [at, group] of groups.entries()) if (alike.includes(group)) groups[at] = own;
    groups[index] = own;
  }
  const order = [...new Set(groups)];
  return groups.map((group) => order.indexOf(group));
}

function pairsOf(text: string): Set<string> {
  const words = text
    .toLowerCase()
    .split(/[^\p{L}\p{N}]+/u)
    .filter((word) => word !== '');
  return words.length < 2 ? new Set(words) : new Set(words.slice(1).map((word, index) => `${words[index]} ${word}`));
}

function jaccard(one: ReadonlySet<string>, other: ReadonlySet<string>): number {
  if (one.size === 0 && other.size === 0) return 1;
  const shared = [...one].filter((each) => other.has(each)).length;
  return shared / (one.size + other.size - shared);
}
