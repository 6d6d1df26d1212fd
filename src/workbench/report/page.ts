/**
 * A report as one HTML file: first a page that somebody can read who decides and has no time, then the evidence.
 *
 * The file opens from a disk and asks nothing of any network: its content security policy forbids everything but its own
 * style sheet, named by hash. It holds no script. Whatever models, users or endpoints wrote goes through `element`,
 * which makes text of it.
 */
import { createHash } from 'node:crypto';
import type { Figure } from '../../core/figures.ts';
import type { Finding, Measure } from '../../core/measures.ts';
import type { Json } from '../../core/values.ts';
import { everyRun, type Report, type ReportRun } from './collect.ts';
import { element, type Markup, render, styleSheet, together } from './markup.ts';
import { drawing, figureTable } from './plot/index.ts';
import { css } from './style.ts';
import {
  amount,
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

/** Findings of one run that are shown whole; the others are named and counted. */
const mostFindings = 60;
/** Characters of one text that are shown. */
const mostCharacters = 20_000;

/**
 * The whole file.
 *
 * @example await writeFile('report.html', htmlReport(await collectReport(store, [run])));
 */
export function htmlReport(report: Report): string {
  const title = titleOf(report);
  const policy = [
    "default-src 'none'",
    `style-src 'sha256-${createHash('sha256').update(css).digest('base64')}'`,
    "base-uri 'none'",
    "form-action 'none'",
  ].join('; ');
  const page = element(
    'html',
    { lang: 'en' },
    element(
      'head',
      {},
      element('meta', { charset: 'utf-8' }),
      element('meta', { 'http-equiv': 'Content-Security-Policy', content: policy }),
      element('meta', { name: 'viewport', content: 'width=device-width, initial-scale=1' }),
      element('meta', { name: 'referrer', content: 'no-referrer' }),
      element('title', {}, title),
      styleSheet(css),
    ),
    element(
      'body',
      {},
      element('a', { class: 'skip', href: '#main' }, 'To the report'),
      element('header', {}, element('h1', {}, title)),
      element(
        'main',
        { id: 'main' },
        front(report),
        report.runs.map((run) => evidence(run, report.runs.length > 1)),
      ),
      element(
        'footer',
        {},
        element('p', {}, 'Made from stored runs by fiducial. Opens without a network; holds no script.'),
      ),
    ),
  );
  return `<!doctype html>\n${render(page)}\n`;
}

// ---------------------------------------------------------------------------------------------------- the first page

function front(report: Report): Markup {
  const { undetermined, errors, of } = unmeasured(report);
  const runs = everyRun(report.runs);
  const findings = runs.flatMap(({ outcome }) => outcome?.findings ?? []);
  const uncalibrated = [
    ...new Set(
      runs.filter(({ calibration }) => calibration.state !== 'calibrated').map(({ info }) => info.spec.method),
    ),
  ];
  return together(
    element(
      'div',
      { class: 'verdict', role: 'note', 'aria-label': 'verdict' },
      element('p', {}, element('strong', {}, verdictOf(report))),
      report.runs.flatMap(({ outcome }) => (outcome?.summary ?? []).map((sentence) => element('p', {}, sentence))),
    ),
    report.runs.flatMap(({ bars }) =>
      bars.length === 0
        ? []
        : [
            table(
              'The stated bars',
              ['bar', 'verdict', 'why'],
              bars.map(({ bar, verdict, why }) => [`${bar.measure} ${bar.relation} ${bar.value}`, verdict, why]),
            ),
          ],
    ),
    report.runs.map((run) => headline(run)),
    element('h3', {}, 'What is not known'),
    element(
      'ul',
      { class: 'plain' },
      element(
        'li',
        {},
        undetermined + errors === 0
          ? `Every one of ${of} trials was measured.`
          : `Of ${of} trials, ${undetermined} ran and could not be told, and ${errors} did not run to their end. They are counted in no rate and dropped from none: the worst and best case over them stands beside each figure.`,
      ),
      uncalibrated.length === 0
        ? element('li', {}, 'Every instrument used was calibrated at the code that ran.')
        : element('li', {}, `Not calibrated at the code that ran: ${uncalibrated.join(', ')}.`),
      report.runs.flatMap(({ outcome }) => (outcome?.caveats ?? []).map((caveat) => element('li', {}, caveat))),
    ),
    element(
      'p',
      { class: 'quiet' },
      `${runs.length} runs, ${runs.reduce((sum, { info }) => sum + info.usage.calls, 0)} calls, ${findings.length} findings.`,
    ),
    contents(report),
  );
}

/** The root's own measures and its first figure; where it has none, its rates on one axis. */
function headline(run: ReportRun): Markup {
  const { outcome } = run;
  if (outcome === undefined) return together();
  const figure = outcome.figures?.[0] ?? overview(outcome.measures);
  return together(
    figure === undefined ? undefined : draw(figure, `o${short(run)}`),
    measures(outcome.measures, run.judged, 'What was measured'),
  );
}

/** All rates of a run on one axis. */
function overview(measures: readonly Measure[]): Figure | undefined {
  const shares = measures.filter(({ unit, value }) => unit === 'share' && value >= 0);
  if (shares.length < 2 || shares.length > 14) return undefined;
  const point = ({ name, value, low, high }: Measure) => ({ x: name, y: value, low, high });
  const series = (['down', 'up'] as const).flatMap((better) => {
    const points = shares.filter((each) => each.better === better).map(point);
    return points.length === 0
      ? []
      : [{ name: better === 'down' ? 'lower is better' : 'higher is better', mark: 'point' as const, points }];
  });
  return {
    kind: 'plot',
    title: 'The rates and their intervals',
    caption: 'Each mark is a rate, each line its interval.',
    x: { label: 'measure', scale: 'category' },
    y: { label: 'rate', unit: 'share', scale: 'linear', range: [0, 1] },
    series,
  };
}

function contents(report: Report): Markup {
  const entry = (run: ReportRun): Markup =>
    element(
      'li',
      {},
      element('a', { href: `#r${short(run)}` }, nameOf(run)),
      run.children.length === 0 ? undefined : element('ul', {}, run.children.map(entry)),
    );
  return element(
    'nav',
    { 'aria-label': 'contents' },
    element('h3', {}, 'The evidence'),
    element('ul', {}, report.runs.map(entry)),
  );
}

function nameOf({ key, info }: ReportRun): string {
  return key === undefined || key === info.spec.method ? info.spec.method : `${key} (${info.spec.method})`;
}

function short({ info }: ReportRun): string {
  return info.id.replaceAll(/[^\w]/g, '').slice(0, 16);
}

// ----------------------------------------------------------------------------------------------------- the evidence

function evidence(run: ReportRun, isRootShown: boolean): Markup {
  const { info, outcome, children } = run;
  const isRoot = run.key === undefined;
  const findings = bySeverity(outcome?.findings ?? []);
  const id = short(run);
  const figures = outcome?.figures ?? [];
  return element(
    'section',
    { class: isRoot ? undefined : 'part', 'aria-labelledby': `r${id}` },
    element(isRoot ? 'h2' : 'h3', { id: `r${id}` }, nameOf(run)),
    element(
      'p',
      { class: 'quiet' },
      `${modelsOf(run)}. Run ${info.id.slice(0, 12)}, ${info.status}, ${usageWords(info)}.`,
    ),
    info.reason === undefined ? undefined : element('p', {}, `It ${info.status}: ${info.reason}`),
    element('p', {}, calibrationWords(run.calibration)),
    isRoot ? undefined : (outcome?.summary ?? []).map((sentence) => element('p', {}, sentence)),
    isRoot && !isRootShown ? undefined : measures(outcome?.measures ?? [], run.judged, 'Measures'),
    // A root's first figure stands on the first page.
    figures.slice(isRoot ? 1 : 0).map((figure, i) => draw(figure, `f${id}x${i}`)),
    findings.length === 0 ? undefined : element('h4', {}, `${findings.length} findings`),
    findings.slice(0, mostFindings).map((finding) => findingMarkup(finding, run)),
    findings.length <= mostFindings
      ? undefined
      : element(
          'p',
          {},
          `And ${findings.length - mostFindings} more: fiducial show ${info.id.slice(0, 12)} --json has all of them.`,
        ),
    isRoot
      ? undefined
      : (outcome?.caveats ?? []).map((caveat) => element('p', {}, element('strong', {}, 'To know: '), caveat)),
    run.causes.length === 0
      ? undefined
      : table(
          'What could not be told, and why',
          ['status', 'set', 'why', 'trials', 'for example'],
          run.causes.map(({ status, set, why, count, items }) => [status, set, why, String(count), items.join(', ')]),
        ),
    reproduce(run),
    children.map((child) => evidence(child, true)),
  );
}

function measures(list: readonly Measure[], judged: readonly string[], caption: string): Markup | undefined {
  if (list.length === 0) return undefined;
  return table(
    caption,
    measureColumns,
    list.map((measure) => [measure.name, ...measureCells(measure, judged)]),
  );
}

function table(caption: string, columns: readonly string[], rows: readonly (readonly string[])[]): Markup {
  return element(
    'div',
    { class: 'scroll' },
    element(
      'table',
      {},
      element('caption', {}, caption),
      element(
        'thead',
        {},
        element(
          'tr',
          {},
          columns.map((column) => element('th', { scope: 'col' }, column)),
        ),
      ),
      element(
        'tbody',
        {},
        rows.map((row) =>
          element(
            'tr',
            {},
            row.map((cell) => element('td', {}, cell)),
          ),
        ),
      ),
    ),
  );
}

function draw(figure: Figure, id: string): Markup {
  const { columns, rows } = figureTable(figure);
  const picture = drawing(figure, id);
  const asTable = table(figure.title, columns, rows);
  return element(
    'figure',
    {},
    picture === undefined ? asTable : element('div', { class: 'scroll' }, picture),
    element(
      'figcaption',
      {},
      picture === undefined ? undefined : element('strong', {}, `${figure.title}. `),
      figure.caption,
    ),
    picture === undefined ? undefined : element('details', {}, element('summary', {}, 'As a table'), asTable),
  );
}

function findingMarkup(finding: Finding, run: ReportRun): Markup {
  const { severity, title, detail, evidence, confidence, data } = finding;
  const tags = data !== null && typeof data === 'object' && 'tags' in data ? data.tags : undefined;
  return element(
    'div',
    { class: 'finding' },
    element('p', {}, element('span', { class: 'severity' }, severity), ' ', element('strong', {}, title)),
    element('p', {}, cutText(detail)),
    confidence === undefined ? undefined : element('p', { class: 'quiet' }, `Sure to ${amount(confidence, 'share')}.`),
    Array.isArray(tags) && tags.length > 0 ? element('p', { class: 'quiet' }, tags.map(String).join(', ')) : undefined,
    evidence.map(({ label, item, quote, ref }) => {
      const transcript = ref === undefined ? undefined : run.transcripts[ref];
      const withheld = run.withheld.find((each) => each.ref === ref);
      return element(
        'details',
        {},
        element('summary', {}, item === undefined ? label : `${label}: ${item}`),
        quote === undefined ? undefined : element('pre', {}, cutText(quote)),
        transcript === undefined ? undefined : json(transcript),
        withheld === undefined ? undefined : element('p', {}, `Not shown: ${withheld.why}.`),
        ref === undefined ? undefined : element('p', { class: 'quiet' }, ref),
      );
    }),
    data === undefined || data === null
      ? undefined
      : element('details', {}, element('summary', {}, 'More'), json(data)),
  );
}

/** JSON of any shape as readable text; conversations as turns. */
function json(value: Json): Markup {
  if (typeof value === 'string') return element('pre', {}, cutText(value));
  if (value === null || typeof value !== 'object') return element('pre', {}, String(value));
  if (Array.isArray(value)) {
    return element(
      'ol',
      {},
      (value as readonly Json[]).slice(0, 200).map((each) => element('li', {}, turn(each))),
    );
  }
  return element(
    'dl',
    {},
    Object.entries(value).flatMap(([name, inner]) => [element('dt', {}, name), element('dd', {}, json(inner))]),
  );
}

function turn(value: Json): Markup {
  if (value !== null && typeof value === 'object' && 'role' in value && 'content' in value) {
    const { role, content } = value as { readonly role: Json; readonly content: Json };
    return together(element('strong', {}, String(role)), json(content));
  }
  return json(value);
}

function cutText(text: string): string {
  if (text.length <= mostCharacters) return text;
  return `${text.slice(0, mostCharacters)}… (${text.length - mostCharacters} characters more)`;
}

function reproduce(run: ReportRun): Markup {
  const { commands, depends } = reproduction(run);
  return element(
    'details',
    {},
    element('summary', {}, 'How to make it again'),
    element('pre', {}, commands.join('\n')),
    table('What it depends on', ['what', 'value'], depends),
  );
}
