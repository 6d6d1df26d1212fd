/**
 * A run's questions as a table for people, and their answers back.
 *
 * The table has the columns name, item, labeller, value and what is shown, a column a field. A row without a value is
 * not answered. Values are checked against the question's choices, so that a slip of the pen is no label.
 */
import { writeFile } from 'node:fs/promises';
import { FiducialError, nearestWord, show } from '../../core/errors.ts';
import type { Json } from '../../core/values.ts';
import type { LabelQuestion, Run } from '../../store/index.ts';
import { preferencePairs } from './preferences.ts';
import { readRows } from './rows.ts';

/** Writes the open questions of a run as CSV. @returns how many */
export async function questionsOut(run: Run, path: string): Promise<number> {
  const questions = await run.questions();
  const shown = questions.map(({ show }) => fieldsOf(show));
  const columns = [...new Set(shown.flatMap((fields) => Object.keys(fields)))];
  const lines = [
    ['name', 'set', 'item', 'labeller', 'value', ...columns].map(cell).join(','),
    ...questions.map(({ name, set, item }, index) =>
      [name, set ?? '', item, '', '', ...columns.map((column) => shown[index]![column] ?? '')].map(cell).join(','),
    ),
  ];
  await writeFile(path, `${lines.join('\r\n')}\r\n`);
  return questions.length;
}

/**
 * Reads labels into a run.
 *
 * @param labeller who labelled, where the file has no such column
 * @throws FiducialError `labels.no-labeller`, `labels.no-question`, `labels.bad-value`
 */
export async function readLabels(run: Run, path: string, labeller?: string): Promise<number> {
  const { rows } = await readRows(path);
  const questions = new Map((await run.questions(true)).map((each) => [keyOf(each), each]));
  const labels = rows.flatMap((row, index) => {
    const { value } = row;
    if (value === undefined || value === '') return [];
    const where = `${path}, row ${index + 1}`;
    const set = textOf(row['set']);
    const place = {
      name: textOf(row['name']) ?? [...questions.values()][0]?.name ?? '',
      item: textOf(row['item']) ?? '',
      ...(set === undefined ? {} : { set }),
    };
    const question = questions.get(keyOf(place));
    if (question === undefined) {
      const meant = nearestWord(
        place.item,
        [...questions.values()].map(({ item }) => item),
      );
      throw new FiducialError(
        'labels.no-question',
        `${where}: the run does not ask ${show(place.name)} of ${show(place.item)}`,
        meant === undefined ? 'fiducial labels <run> --out writes what it asks.' : `Did you mean ${meant}?`,
      );
    }
    const who = textOf(row['labeller']) ?? labeller;
    if (who === undefined) {
      throw new FiducialError('labels.no-labeller', `${where}: nobody is named`, 'Fill labeller, or pass --labeller.');
    }
    return [{ ...place, labeller: who, value: checkedValue(value, question, where) }];
  });
  await Promise.all(labels.map((label) => run.label(label)));
  return labels.length;
}

/** Writes preference pairs as JSONL. @returns how many */
export async function pairsOut(run: Run, path: string): Promise<number> {
  const pairs = await preferencePairs(run);
  await writeFile(path, pairs.map((pair) => `${JSON.stringify(pair)}\n`).join(''));
  return pairs.length;
}

function checkedValue(value: Json, { choices }: LabelQuestion, where: string): Json {
  if (choices === undefined) return value;
  const found = choices.find((choice) => String(choice).toLowerCase() === textOf(value)?.toLowerCase());
  if (found !== undefined) return found;
  throw new FiducialError(
    'labels.bad-value',
    `${where}: ${show(value)} is none of the choices`,
    `Choose ${choices.map((choice) => JSON.stringify(choice)).join(' or ')}.`,
  );
}

function keyOf({ name, set, item }: { readonly name: string; readonly set?: string; readonly item: string }): string {
  return JSON.stringify([name, set ?? '', item]);
}

function textOf(value: Json | undefined): string | undefined {
  if (value === undefined || value === null || value === '') return undefined;
  return typeof value === 'string' ? value : JSON.stringify(value);
}

function fieldsOf(shown: Json): Record<string, string> {
  if (shown === null || typeof shown !== 'object' || Array.isArray(shown)) {
    return { shown: typeof shown === 'string' ? shown : JSON.stringify(shown) };
  }
  return Object.fromEntries(
    Object.entries(shown).map(([key, value]) => [key, typeof value === 'string' ? value : JSON.stringify(value)]),
  );
}

/** RFC 4180; a text that a spreadsheet would run as a formula gets an apostrophe before it. */
function cell(text: string): string {
  const safe = /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}
