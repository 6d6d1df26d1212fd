/**
 * The user's own rows: JSONL, JSON, CSV or YAML, as they are, with cells of a table read as what they look like.
 *
 * CSV through csv-parse; a cell that is a number, true, false, or JSON in brackets is read as that, an empty cell is
 * left out, and `tags` may be written with semicolons. A row without an `id` gets one from its content, so that the
 * same row is the same item in every run.
 */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { basename, extname } from 'node:path';
import { parse as parseCsv } from 'csv-parse/sync';
import { parse as parseYaml } from 'yaml';
import { FiducialError, show } from '../../core/errors.ts';
import type { Json } from '../../core/values.ts';
import { dataOf, type Dataset } from '../../methods/method.ts';
import { canonicalJson } from '../../store/json.ts';
import { expandTags } from './tags.ts';

export type Row = Readonly<Record<string, Json>>;

/**
 * Reads rows from a file.
 *
 * @throws FiducialError `data.unreadable`, `data.unknown-format`, `data.not-rows`, each with its line
 * @example const requests = await readRows('requests.csv');
 */
export async function readRows(path: string): Promise<Dataset<Row>> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (cause) {
    throw new FiducialError('data.unreadable', `The file ${show(path)} cannot be read`, 'Check its path.', { cause });
  }
  return dataOf(basename(path), parseRows(text, extname(path), path));
}

/** Rows from text in the format that a file's ending names. */
export function parseRows(text: string, ending: string, path = `data${ending}`): Row[] {
  const clean = text.replace(/^\uFEFF/, '');
  switch (ending.toLowerCase()) {
    case '.jsonl':
    case '.ndjson':
      return clean
        .split(/\r?\n/)
        .map((line, index) => ({ line, number: index + 1 }))
        .filter(({ line }) => line.trim() !== '')
        .map(({ line, number }) => finish(parseJson(line, `${path}, line ${number}`), `${path}, line ${number}`));
    case '.json':
    case '.yaml':
    case '.yml': {
      const whole =
        ending.toLowerCase() === '.json' ? parseJson(clean, path) : parsed(path, () => parseYaml(clean) as Json);
      if (!Array.isArray(whole)) throw notRows(path, 'it holds no list');
      return (whole as readonly Json[]).map((row, index) => finish(row, `${path}, row ${index + 1}`));
    }
    case '.csv':
    case '.tsv': {
      const table = parsed(path, () =>
        parseCsv(clean, {
          columns: true,
          skip_empty_lines: true,
          trim: true,
          delimiter: ending.toLowerCase() === '.tsv' ? '\t' : ',',
        }),
      ) as Record<string, string>[];
      return table.map((row, index) => {
        const cells = Object.entries(row)
          .filter(([, cell]) => cell !== '')
          .map(([column, cell]) => [column, cellValue(column, cell)] as const);
        return finish(Object.fromEntries(cells), `${path}, row ${index + 1}`);
      });
    }
  }
  throw new FiducialError(
    'data.unknown-format',
    `${show(path)} ends in ${show(ending)}, which is no format of rows`,
    'Use .jsonl, .json, .yaml, .csv or .tsv.',
  );
}

const textColumns = new Set(['id', 'request', 'reply', 'prompt', 'text', 'cluster', 'behaviour', 'context']);

function cellValue(column: string, cell: string): Json {
  // A request of "42" or "true" is a text all the same.
  if (textColumns.has(column)) return cell;
  if (column === 'tags') return cell.split(/[;|]/).map((tag) => tag.trim());
  if (/^-?\d+(\.\d+)?(e[+-]?\d+)?$/i.test(cell)) return Number(cell);
  if (cell === 'true' || cell === 'false') return cell === 'true';
  if (/^[[{]/.test(cell)) {
    try {
      return JSON.parse(cell) as Json;
    } catch {
      // Text in brackets is not JSON by that alone.
      return cell;
    }
  }
  return cell;
}

function finish(row: Json, where: string): Row {
  if (row === null || typeof row !== 'object' || Array.isArray(row)) throw notRows(where, `it is ${show(row)}`);
  const whole = { ...(row as Record<string, Json>) };
  if (Array.isArray(whole['tags'])) {
    whole['tags'] = expandTags((whole['tags'] as readonly Json[]).map(String), where);
  }
  const { id } = whole;
  if (id === undefined) whole['id'] = createHash('sha256').update(canonicalJson(whole)).digest('hex').slice(0, 12);
  else if (typeof id === 'number') whole['id'] = String(id);
  return whole;
}

function parseJson(text: string, where: string): Json {
  return parsed(where, () => JSON.parse(text) as Json);
}

function parsed<T>(where: string, parse: () => T): T {
  try {
    return parse();
  } catch (cause) {
    throw notRows(where, cause instanceof Error ? cause.message : String(cause), cause);
  }
}

function notRows(where: string, what: string, cause?: unknown): FiducialError {
  return new FiducialError(
    'data.not-rows',
    `${where}: not a row: ${what}`,
    'A file of rows is a list of objects, or a table with a heading.',
    cause === undefined ? undefined : { cause },
  );
}
