/**
 * A report as Markdown, for a pull request or a wiki. Tables and text only; figures are given as their numbers.
 *
 * Text of models stands in fenced blocks whose fence is longer than any in the text; everything else is escaped, so
 * that nothing of it becomes a heading, a link, an image or HTML.
 */
import type { Json } from '../../core/values.ts';
import type { Report, ReportRun } from './collect.ts';
import { visible } from './markup.ts';
import { figureTable } from './plot/index.ts';
import {
  bySeverity,
  calibrationWords,
  measureCells,
  measureColumns,
  modelsOf,
  reproduction,
  titleOf,
  unmeasured,
  usageWords,
  verdictOf,
} from './words.ts';

const mostFindings = 60;
const mostCharacters = 4_000;

/** The whole text. */
export function markdownReport(report: Report): string {
  const { undetermined, errors, of } = unmeasured(report);
  const lines = [
    `# ${plain(titleOf(report))}`,
    '',
    `**${plain(verdictOf(report))}**`,
    ...report.runs.flatMap(({ outcome }) => (outcome?.summary ?? []).flatMap((sentence) => ['', plain(sentence)])),
    ...report.runs.flatMap(({ bars }) =>
      bars.length === 0
        ? []
        : table(
            ['bar', 'verdict', 'why'],
            bars.map(({ bar, verdict, why }) => [`${bar.measure} ${bar.relation} ${bar.value}`, verdict, why]),
          ),
    ),
    '',
    `Of ${of} trials ${undetermined} are undetermined and ${errors} in error.`,
    ...report.runs.flatMap((run) => section(run, 2)),
  ];
  return `${lines.join('\n')}\n`;
}

function section(run: ReportRun, depth: number): string[] {
  const { info, outcome, key, children } = run;
  const findings = bySeverity(outcome?.findings ?? []);
  const name = key === undefined || key === info.spec.method ? info.spec.method : `${key} (${info.spec.method})`;
  return [
    '',
    `${'#'.repeat(Math.min(6, depth))} ${plain(name)}`,
    '',
    `${plain(modelsOf(run))}. Run ${info.id.slice(0, 12)}, ${info.status}, ${usageWords(info)}.`,
    ...(info.reason === undefined ? [] : ['', plain(`It ${info.status}: ${info.reason}`)]),
    '',
    plain(calibrationWords(run.calibration)),
    ...(depth === 2 ? [] : (outcome?.summary ?? []).flatMap((sentence) => ['', plain(sentence)])),
    ...(outcome === undefined || outcome.measures.length === 0
      ? []
      : table(
          measureColumns,
          outcome.measures.map((measure) => [measure.name, ...measureCells(measure, run.judged)]),
        )),
    ...(outcome?.figures ?? []).flatMap((figure) => {
      const { columns, rows } = figureTable(figure);
      return ['', `**${plain(figure.title)}.** ${plain(figure.caption)}`, ...table(columns, rows)];
    }),
    ...findings
      .slice(0, mostFindings)
      .flatMap((finding) => [
        '',
        `- **${finding.severity}** ${plain(finding.title)}: ${plain(cut(finding.detail))}`,
        ...finding.evidence.flatMap(({ label, quote, ref }) => [
          ...(quote === undefined ? [] : fenced(cut(quote))),
          ...(ref === undefined || run.transcripts[ref] === undefined
            ? []
            : ['', `  ${plain(label)}:`, ...fenced(cut(textOf(run.transcripts[ref])))]),
        ]),
      ]),
    ...(findings.length > mostFindings ? ['', `And ${findings.length - mostFindings} more findings.`] : []),
    ...(outcome?.caveats ?? []).flatMap((caveat) => ['', `To know: ${plain(caveat)}`]),
    ...(run.causes.length === 0
      ? []
      : table(
          ['status', 'set', 'why', 'trials'],
          run.causes.map(({ status, set, why, count }) => [status, set, why, String(count)]),
        )),
    ...fenced(reproduction(run).commands.join('\n')),
    ...children.flatMap((child) => section(child, depth + 1)),
  ];
}

function textOf(transcript: Json): string {
  return typeof transcript === 'string' ? transcript : JSON.stringify(transcript, undefined, 2);
}

function cut(text: string): string {
  return text.length <= mostCharacters ? text : `${text.slice(0, mostCharacters)}…`;
}

function table(columns: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const row = (cells: readonly string[]): string => `| ${cells.map(plain).join(' | ')} |`;
  return ['', row(columns), `|${columns.map(() => '---').join('|')}|`, ...rows.map(row)];
}

/** Text on one line in which nothing means anything to Markdown or HTML. */
export function plain(text: string): string {
  return visible(text)
    .replaceAll(/\s+/g, ' ')
    .replaceAll(/[\\`*_{}[\]()#+!|<>~&]/g, (character) =>
      character === '<' ? '&lt;' : character === '>' ? '&gt;' : character === '&' ? '&amp;' : `\\${character}`,
    )
    .replaceAll('://', String.raw`:\/\/`)
    .trim();
}

/** Text in a block whose fence does not occur in it. */
export function fenced(text: string): string[] {
  const longest = Math.max(2, ...[...text.matchAll(/`+/g)].map(([run]) => run.length));
  const fence = '`'.repeat(longest + 1);
  return ['', fence, visible(text), fence];
}
