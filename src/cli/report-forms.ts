/** The forms of a report, read from a flag with the nearest correct one. */
import { FiducialError, nearestWord, show } from '../core/errors.ts';
import { type ReportForm, reportForms } from '../workbench/report/index.ts';

/** @throws FiducialError `cli.bad-flag` */
export function formsOf(words: readonly string[]): ReportForm[] {
  const known = Object.keys(reportForms) as ReportForm[];
  return words
    .flatMap((word) => word.split(','))
    .map((word) => {
      const found = known.find((each) => each === word);
      if (found !== undefined) return found;
      const meant = nearestWord(word, known);
      throw new FiducialError(
        'cli.bad-flag',
        `${show(word)} is no form of a report`,
        meant === undefined ? `Choose of ${known.join(', ')}.` : `Did you mean ${meant}?`,
      );
    });
}
