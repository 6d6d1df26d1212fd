/**
 * An outcome as lines of text: figures with all that they do not say, findings, caveats, and how bars fared.
 */
import type { Finding, Measure, Outcome } from '../core/measures.ts';
import { describeMeasure } from '../core/measures.ts';
import type { Derivation } from '../workbench/figures.ts';
import type { BarResult } from '../workbench/bars.ts';
import { tagCounts } from '../workbench/material/tags.ts';

/**
 * @param judged names of the rates that rest on a judge
 * @param most findings to show; the others are counted
 */
export function outcomeLines(
  outcome: Outcome,
  judged: ReadonlySet<string>,
  bars: readonly BarResult[] = [],
  most = 10,
): string[] {
  const { findings, caveats = [], products = {} } = outcome;
  return [
    ...measureLines(outcome.measures, judged),
    ...(findings.length === 0 ? [] : ['', `${findings.length} findings:`]),
    ...findings.slice(0, most).map((finding) => `  ${finding.severity}  ${finding.title}: ${oneLine(finding.detail)}`),
    ...(findings.length > most ? [`  and ${findings.length - most} more (--json shows all)`] : []),
    ...frameworkLines(findings),
    ...(Object.keys(products).length === 0 ? [] : ['', 'products:']),
    ...Object.entries(products).map(([name, ref]) => `  ${name}  ${ref}`),
    ...(caveats.length === 0 ? [] : ['', 'to know:']),
    ...caveats.map((caveat) => `  ${caveat}`),
    ...(bars.length === 0 ? [] : ['', 'bars:']),
    ...bars.map(({ bar, verdict, why }) => `  ${verdict}: ${bar.measure} ${bar.relation} ${bar.value} (${why})`),
  ];
}

/** Names of the figures that rest on a judge's readings. */
export function judgedNames(derived: readonly Derivation[] = []): ReadonlySet<string> {
  return new Set(
    derived.flatMap((each) => (each.kind === 'rate' && each.options.judge !== undefined ? [each.options.name] : [])),
  );
}

/** Measures; a judge's rate that is not corrected for its errors is marked as such. */
export function measureLines(measures: readonly Measure[], judged: ReadonlySet<string> = new Set()): string[] {
  if (measures.length === 0) return ['no measures'];
  return measures.map((measure) => {
    const isUncorrected = judged.has(measure.name) && measure.corrected === undefined;
    return `  ${describeMeasure(measure)}${isUncorrected ? ", not corrected for the judge's errors" : ''}`;
  });
}

function frameworkLines(findings: readonly Finding[]): string[] {
  const tags = findings.flatMap(({ data }) => {
    const found = data !== null && typeof data === 'object' && 'tags' in data ? data.tags : undefined;
    return Array.isArray(found) ? found.map(String) : [];
  });
  const lines = Object.entries(tagCounts(tags)).map(
    ([framework, counts]) =>
      `  ${framework}: ${Object.entries(counts)
        .map(([tag, count]) => `${tag} (${count})`)
        .join(', ')}`,
  );
  return lines.length === 0 ? [] : ['', 'findings by framework:', ...lines];
}

function oneLine(text: string): string {
  const flat = text.replaceAll(/\s+/g, ' ').trim();
  return flat.length <= 120 ? flat : `${flat.slice(0, 119)}…`;
}
