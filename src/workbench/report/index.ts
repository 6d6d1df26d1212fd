/** The report of stored runs: read once, written as HTML, Markdown, JSON, JUnit XML or SARIF. */
import { mkdir, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import type { Report } from './collect.ts';
import { junitReport, sarifReport } from './exchange.ts';
import { markdownReport } from './markdown.ts';
import { htmlReport } from './page.ts';
import { wellFormed } from './well-formed.ts';

export { collectReport } from './collect.ts';
export type { Cause, CollectOptions, Report, ReportRun } from './collect.ts';
export { figureSvg, figureTable } from './plot/index.ts';
export type { FigureTable } from './plot/index.ts';
export { standingOf, verdictOf } from './words.ts';
export type { Standing } from './words.ts';

/** The forms of a report, and the file that each becomes. */
export const reportForms = {
  html: 'report.html',
  md: 'report.md',
  json: 'report.json',
  junit: 'junit.xml',
  sarif: 'report.sarif',
} as const;
export type ReportForm = keyof typeof reportForms;

/** A report as the text of one form. @throws FiducialError `report.malformed`, a fault of this program */
export function reportText(report: Report, form: ReportForm): string {
  switch (form) {
    case 'html':
      return sound(htmlReport(report));
    case 'md':
      return markdownReport(report);
    case 'json':
      return `${JSON.stringify(report, undefined, 2)}\n`;
    case 'junit':
      return sound(junitReport(report));
    case 'sarif':
      return sarifReport(report, version());
  }
}

/** Markup that was read back: a fault in it would be one that a hostile text might use. */
function sound(markup: string): string {
  wellFormed(markup);
  return markup;
}

/** Writes a report into a folder, made if absent. @returns the paths written */
export async function writeReport(report: Report, folder: string, forms: readonly ReportForm[]): Promise<string[]> {
  await mkdir(folder, { recursive: true });
  const paths: string[] = [];
  for (const form of forms) {
    const path = join(folder, reportForms[form]);
    await writeFile(path, reportText(report, form));
    paths.push(path);
  }
  return paths;
}

function version(): string {
  return (createRequire(import.meta.url)('../../../package.json') as { readonly version: string }).version;
}
