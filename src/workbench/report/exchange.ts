/**
 * A report in the forms that other programs read: JUnit XML for CI, SARIF 2.1.0 for code-scanning screens.
 *
 * JUnit: a suite a run, a case a stated bar; a bar that fell short or was not shown is a failure, one that was not
 * measured an error. Findings are no failures of their own: whether they matter is what bars are for. SARIF: a result a
 * finding, a rule a method; a finding is located at the model, because there is no file that it stands in.
 */
import type { Severity } from '../../core/measures.ts';
import { everyRun, type Report, type ReportRun } from './collect.ts';
import { element, type Markup, render, visible } from './markup.ts';
import { bySeverity, measureLine, modelsOf } from './words.ts';

/** The report as JUnit XML. */
export function junitReport(report: Report): string {
  const suites = everyRun(report.runs).map((run) => ({ run, cases: casesOf(run) }));
  const all = suites.flatMap(({ cases }) => cases);
  const root = element(
    'testsuites',
    { name: 'fiducial', ...countsOf(all) },
    suites.map(({ run, cases }) =>
      element(
        'testsuite',
        { name: `${run.key ?? run.info.spec.method} ${run.info.id.slice(0, 12)}`, ...countsOf(cases) },
        cases.map(({ name, kind, why }) =>
          element(
            'testcase',
            { name, classname: run.info.spec.method },
            kind === 'good' ? undefined : element(kind, { message: why }, why),
          ),
        ),
        element('system-out', {}, outputOf(run)),
      ),
    ),
  );
  return `<?xml version="1.0" encoding="UTF-8"?>\n${render(root)}\n`;
}

interface Case {
  readonly name: string;
  readonly kind: 'good' | 'failure' | 'error';
  readonly why: string;
}

function casesOf(run: ReportRun): Case[] {
  const { status, reason } = run.info;
  const ended: Case = {
    name: 'runs to its end',
    kind: status === 'done' ? 'good' : 'error',
    why: `the run is ${status}${reason === undefined ? '' : `: ${reason}`}`,
  };
  return [
    ended,
    ...run.bars.map(({ bar, verdict, why }): Case => ({
      name: `${bar.measure} ${bar.relation} ${bar.value}`,
      kind: verdict === 'held' ? 'good' : verdict === 'not measured' ? 'error' : 'failure',
      why: `${verdict}: ${why}`,
    })),
  ];
}

function countsOf(cases: readonly Case[]): { tests: number; failures: number; errors: number } {
  const count = (kind: Case['kind']): number => cases.filter((each) => each.kind === kind).length;
  return { tests: cases.length, failures: count('failure'), errors: count('error') };
}

function outputOf(run: ReportRun): Markup | string {
  const { measures = [], findings = [] } = run.outcome ?? {};
  return [
    modelsOf(run),
    ...measures.map(measureLine),
    ...bySeverity(findings).map(({ severity, title }) => `${severity}: ${title}`),
  ].join('\n');
}

/** The report as SARIF 2.1.0. */
export function sarifReport(report: Report, version: string): string {
  const runs = everyRun(report.runs);
  const methods = [...new Set(runs.map(({ info }) => info.spec.method))];
  const sarif = {
    $schema: 'https://json.schemastore.org/sarif-2.1.0.json',
    version: '2.1.0',
    runs: [
      {
        tool: {
          driver: {
            name: 'fiducial',
            semanticVersion: version,
            rules: methods.map((id) => ({ id, name: nameOf(id), shortDescription: { text: id } })),
          },
        },
        results: runs.flatMap((run) =>
          bySeverity(run.outcome?.findings ?? []).map((finding) => ({
            ruleId: run.info.spec.method,
            ruleIndex: methods.indexOf(run.info.spec.method),
            level: levels[finding.severity],
            message: { text: visible(`${finding.title}\n${finding.detail}`) },
            locations: [
              {
                logicalLocations: [{ fullyQualifiedName: visible(modelsOf(run)), kind: 'resource' }],
              },
            ],
            partialFingerprints: { 'fiducialFinding/v1': `${run.info.spec.method}/${finding.id}` },
            properties: {
              severity: finding.severity,
              run: run.info.id,
              ...(finding.confidence === undefined ? {} : { confidence: finding.confidence }),
              ...(tagsOf(finding.data).length === 0 ? {} : { tags: tagsOf(finding.data) }),
            },
          })),
        ),
      },
    ],
  };
  return `${JSON.stringify(sarif, undefined, 2)}\n`;
}

const levels: Readonly<Record<Severity, 'error' | 'warning' | 'note'>> = {
  critical: 'error',
  high: 'error',
  medium: 'warning',
  low: 'note',
  note: 'note',
};

/** SARIF wants rule names in Pascal case. */
function nameOf(id: string): string {
  return id.replaceAll(/(?:^|[^a-z0-9]+)([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
}

function tagsOf(data: unknown): string[] {
  const tags = data !== null && typeof data === 'object' && 'tags' in data ? data.tags : undefined;
  return Array.isArray(tags) ? tags.map(String) : [];
}
