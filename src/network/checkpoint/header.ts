/**
 * The header of a safetensors file, parsed and distrusted.
 *
 * Source: the format's description in the safetensors repository (README, "Format"): eight bytes of little-endian
 * header length, a JSON object of `{ name: { dtype, shape, data_offsets: [begin, end] } }` with an optional
 * `__metadata__` of strings, then the data without holes or overlaps up to the end of the file. As the reference does,
 * a header above 100 MB is refused; names that appear twice are refused too (JSON readers keep the last silently).
 * Pure: takes text and sizes, touches no file.
 */
import { FiducialError, show } from '../../core/errors.ts';

/** Bytes of one element, by dtype, as safetensors writes the names. */
export const DTYPE_BYTES = {
  BOOL: 1,
  U8: 1,
  I8: 1,
  F8_E4M3: 1,
  F8_E5M2: 1,
  I16: 2,
  U16: 2,
  F16: 2,
  BF16: 2,
  I32: 4,
  U32: 4,
  F32: 4,
  I64: 8,
  U64: 8,
  F64: 8,
} as const;

/** The element types that this project reads and writes. */
export type Dtype = keyof typeof DTYPE_BYTES;

/** Where one tensor lies. */
export interface TensorEntry {
  readonly name: string;
  readonly dtype: Dtype;
  readonly shape: readonly number[];
  /** The file that holds it. */
  readonly file: string;
  /** First byte, counted from the start of the file. */
  readonly byteOffset: number;
  readonly byteLength: number;
}

/** The largest header, in bytes, that is read at all; the reference implementation's limit. */
export const MAX_HEADER_BYTES = 100_000_000;

/** What a header says. */
export interface Header {
  readonly tensors: ReadonlyMap<string, TensorEntry>;
  readonly metadata: Readonly<Record<string, string>>;
}

const HINT = 'Download or export the file again; a truncated copy is the usual cause.';

/** Number of elements of `shape`, or undefined past 2^53. */
export function elementCount(shape: readonly number[]): number | undefined {
  let count = 1;
  for (const size of shape) count *= size;
  return shape.includes(0) ? 0 : Number.isSafeInteger(count) ? count : undefined;
}

/**
 * Parses and checks the JSON of a header.
 *
 * @param text the header's bytes as text
 * @param file the file's path, for messages and entries
 * @param dataStart first byte after the header
 * @param fileBytes length of the whole file
 * @throws FiducialError `checkpoint.header`, `checkpoint.duplicate`, `checkpoint.dtype`, `checkpoint.shape`,
 *   `checkpoint.offsets`, `checkpoint.truncated`
 * @example parseHeader('{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}', 'a.safetensors', 64, 72)
 */
export function parseHeader(text: string, file: string, dataStart: number, fileBytes: number): Header {
  if (!text.startsWith('{')) throw bad('header', file, `the header starts with ${show(text.slice(0, 8))}, not "{"`);
  scanKeys(text, file);
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (error) {
    throw bad('header', file, `the header is not JSON: ${error instanceof Error ? error.message : String(error)}`);
  }
  if (!isRecord(parsed)) throw bad('header', file, 'the header is not a JSON object');

  const dataBytes = fileBytes - dataStart;
  let metadata: Record<string, string> = {};
  const entries: TensorEntry[] = [];
  for (const [name, value] of Object.entries(parsed)) {
    if (name === '__metadata__') metadata = parseMetadata(value, file);
    else entries.push(parseEntry(name, value, file, dataStart, dataBytes));
  }
  checkCover(entries, file, dataStart, dataBytes);
  return { tensors: new Map(entries.map((entry) => [entry.name, entry])), metadata };
}

function parseMetadata(value: unknown, file: string): Record<string, string> {
  if (!isRecord(value)) throw bad('header', file, `__metadata__ is ${show(value)}, not an object of strings`);
  return Object.fromEntries(
    Object.entries(value).map(([key, word]) => {
      if (typeof word !== 'string') throw bad('header', file, `__metadata__.${key} is ${show(word)}, not a string`);
      return [key, word];
    }),
  );
}

function parseEntry(name: string, value: unknown, file: string, dataStart: number, dataBytes: number): TensorEntry {
  const field = show(name);
  if (!isRecord(value)) throw bad('header', file, `${field} is ${show(value)}, not an object`);
  const { dtype, shape, data_offsets: offsets } = value;
  if (!isDtype(dtype)) {
    throw new FiducialError(
      'checkpoint.dtype',
      `${file}: ${field}.dtype is ${show(dtype)}, which is not read here`,
      `Known types: ${Object.keys(DTYPE_BYTES).join(', ')}. Convert the checkpoint to one of them.`,
    );
  }
  if (!isCounts(shape)) {
    throw bad('shape', file, `${field}.shape is ${show(shape)}, not a list of sizes`);
  }
  if (!isCounts(offsets) || offsets.length !== 2) {
    throw bad('offsets', file, `${field}.data_offsets is ${show(offsets)}, not two byte counts`);
  }
  const [begin = 0, end = 0] = offsets;
  if (begin > end) throw bad('offsets', file, `${field}.data_offsets is ${show(offsets)}: the end is before the begin`);
  if (end > dataBytes) {
    throw bad('truncated', file, `${field}.data_offsets ends at ${end}, but the file holds ${dataBytes} bytes of data`);
  }
  const count = elementCount(shape);
  const bytes = count === undefined ? undefined : count * DTYPE_BYTES[dtype];
  if (bytes !== end - begin) {
    const need = bytes === undefined ? 'more bytes than can be counted' : `${bytes} bytes`;
    throw bad('shape', file, `${field} has ${end - begin} bytes, but ${dtype} of shape ${show(shape)} takes ${need}`);
  }
  return { name, dtype, shape, file, byteOffset: dataStart + begin, byteLength: end - begin };
}

/** The tensors must cover the data exactly: no overlap, no hole, nothing after the last. */
function checkCover(entries: readonly TensorEntry[], file: string, dataStart: number, dataBytes: number): void {
  const sorted = entries.toSorted((a, b) => a.byteOffset - b.byteOffset || a.byteLength - b.byteLength);
  let position = dataStart;
  let before = 'the header';
  for (const entry of sorted) {
    const at = show(entry.name);
    if (entry.byteOffset < position) throw bad('overlap', file, `${at}.data_offsets overlaps ${before}`);
    if (entry.byteOffset > position) {
      const hole = entry.byteOffset - position;
      throw bad('offsets', file, `${at}.data_offsets leaves ${hole} bytes unused after ${before}`);
    }
    position = entry.byteOffset + entry.byteLength;
    before = at;
  }
  const rest = dataStart + dataBytes - position;
  if (rest !== 0) throw bad('offsets', file, `${rest} bytes after ${before} belong to no tensor (data_offsets)`);
}

/**
 * Walks the JSON text once for what `JSON.parse` doesn't report: keys that appear twice in one object, and nesting
 * deeper than a header has. Malformed text passes; `JSON.parse` finds it next.
 */
function scanKeys(text: string, file: string): void {
  const open: (Set<string> | undefined)[] = [];
  let expectsKey = false;
  for (let i = 0; i < text.length; i++) {
    const char = text[i];
    if (char === '{' || char === '[') {
      open.push(char === '{' ? new Set() : undefined);
      if (open.length > 3) throw bad('header', file, `the header nests deeper than three levels at character ${i}`);
      expectsKey = char === '{';
    } else if (char === '}' || char === ']') {
      open.pop();
      expectsKey = false;
    } else if (char === ',') {
      expectsKey = open.at(-1) !== undefined;
    } else if (char === '"') {
      const start = i;
      for (i++; i < text.length && text[i] !== '"'; i++) if (text[i] === '\\') i++;
      const keys = open.at(-1);
      if (!expectsKey || keys === undefined) continue;
      expectsKey = false;
      const key = plainKey(text.slice(start, i + 1));
      if (keys.has(key)) throw bad('duplicate', file, `the header names ${show(key)} twice`);
      keys.add(key);
    }
  }
}

function plainKey(quoted: string): string {
  if (!quoted.includes('\\')) return quoted.slice(1, -1);
  try {
    return String(JSON.parse(quoted));
  } catch {
    // Not JSON; the whole header is refused by the parser that runs next.
    return quoted;
  }
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const isDtype = (value: unknown): value is Dtype => typeof value === 'string' && Object.hasOwn(DTYPE_BYTES, value);

const isCounts = (value: unknown): value is number[] =>
  Array.isArray(value) && value.every((size) => Number.isSafeInteger(size) && Number(size) >= 0);

function bad(kind: string, file: string, what: string): FiducialError {
  return new FiducialError(`checkpoint.${kind}`, `${file}: ${what}`, HINT);
}
