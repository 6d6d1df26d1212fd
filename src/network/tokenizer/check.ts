/**
 * Whether this project tokenizes as another library did: a `tokenizer.json` run over cases with known answers.
 *
 * The cases are a JSON list of `{ text, ids, decoded }`, as in the project's fixtures: `decoded` keeps special tokens
 * and may be absent. Special tokens in the text count as control tokens, as in Hugging Face's libraries. Whether the
 * answers have the file's special tokens around them is not written in such a list: both are tried, and the report
 * says which fits better.
 */
import { readFile } from 'node:fs/promises';
import { FiducialError, show } from '../../core/errors.ts';
import { isId, isRecord } from './fields.ts';
import { loadTokenizer } from './load.ts';
import type { Tokenizer } from './tokenizer.ts';

/** What came of one case. */
export interface TokenizerCase {
  readonly text: string;
  readonly isOk: boolean;
  /** The first difference, in words; absent when there is none. */
  readonly difference?: string;
}

/** What came of all. */
export interface TokenizerReport {
  readonly tokenizer: string;
  readonly expected: string;
  /** Whether the file's special tokens were added around each text. */
  readonly addsSpecialTokens: boolean;
  readonly cases: readonly TokenizerCase[];
  readonly passed: number;
  readonly failed: number;
}

interface Expected {
  readonly text: string;
  readonly ids: readonly number[];
  readonly decoded?: string;
}

/**
 * Runs every case of `expectedPath` on the tokenizer at `tokenizerPath`.
 *
 * @throws FiducialError `tokenizer.expected` for a list that is not in the form above, and those of `loadTokenizer`
 * @example const { failed } = await checkTokenizer('tokenizer.json', 'expected.json');
 */
export async function checkTokenizer(tokenizerPath: string, expectedPath: string): Promise<TokenizerReport> {
  const tokenizer = await loadTokenizer(tokenizerPath);
  const expected = await readExpected(expectedPath);
  const run = (addsSpecialTokens: boolean): TokenizerReport => {
    const cases = expected.map((one) => checkCase(tokenizer, one, addsSpecialTokens));
    const passed = cases.filter(({ isOk }) => isOk).length;
    const failed = cases.length - passed;
    return { tokenizer: tokenizerPath, expected: expectedPath, addsSpecialTokens, cases, passed, failed };
  };
  const withThem = run(true);
  if (withThem.failed === 0) return withThem;
  const without = run(false);
  return without.failed < withThem.failed ? without : withThem;
}

function checkCase(tokenizer: Tokenizer, expected: Expected, addSpecialTokens: boolean): TokenizerCase {
  const { text } = expected;
  const ids = tokenizer.encode(text, { specialTokens: 'control', addSpecialTokens });
  const at = expected.ids.findIndex((id, i) => id !== ids[i]);
  if (at >= 0 || ids.length !== expected.ids.length) {
    const place = at >= 0 ? at : expected.ids.length;
    const name = (id: number | undefined): string =>
      id === undefined ? 'nothing' : `${id} ${show(tokenizer.tokenOf(id))}`;
    const difference = `id ${place}: expected ${name(expected.ids[place])}, got ${name(ids[place])}`;
    return { text, isOk: false, difference };
  }
  const decoded = tokenizer.decode(expected.ids);
  if (expected.decoded === undefined || decoded === expected.decoded) return { text, isOk: true };
  return { text, isOk: false, difference: `decoded: expected ${show(expected.decoded)}, got ${show(decoded)}` };
}

async function readExpected(path: string): Promise<Expected[]> {
  const wrong = (what: string): FiducialError =>
    new FiducialError('tokenizer.expected', `${path}: ${what}`, 'It is a JSON list of { text, ids, decoded }.');
  let list: unknown;
  try {
    list = JSON.parse(await readFile(path, 'utf8'));
  } catch (error) {
    throw wrong(`can't be read: ${error instanceof Error ? error.message : String(error)}`);
  }
  if (!Array.isArray(list)) throw wrong(`holds ${show(list)}, not a list`);
  return list.map((one: unknown, i) => {
    if (!isRecord(one)) throw wrong(`[${i}] is ${show(one)}, not an object`);
    const { text, ids, decoded } = one;
    if (typeof text !== 'string') throw wrong(`[${i}].text is ${show(text)}, not text`);
    if (!Array.isArray(ids) || !ids.every(isId)) throw wrong(`[${i}].ids is ${show(ids)}, not a list of ids`);
    if (decoded !== undefined && typeof decoded !== 'string')
      throw wrong(`[${i}].decoded is ${show(decoded)}, not text`);
    return decoded === undefined ? { text, ids } : { text, ids, decoded };
  });
}
