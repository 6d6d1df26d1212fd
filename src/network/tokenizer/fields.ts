/**
 * Reading fields out of a `tokenizer.json` that may be wrong: each accessor gives a value of the type it names, or a
 * FiducialError with the file and the field's path (`tokenizer.field`). Nothing is guessed past the format's defaults.
 */
import { FiducialError, show } from '../../core/errors.ts';

/** A JSON object with its place in the file, for messages. */
export interface Fields {
  readonly file: string;
  /** Where in the file, for example `model`. */
  readonly path: string;
  readonly object: Readonly<Record<string, unknown>>;
}

/** The error for a wrong field. */
export function badField(fields: Pick<Fields, 'file' | 'path'>, name: string, what: string): FiducialError {
  const path = [fields.path, name].filter((part) => part !== '').join('.');
  return new FiducialError(
    'tokenizer.field',
    `${fields.file}: ${path} ${what}`,
    'Save the tokenizer again with Hugging Face tokenizers, or download the file again.',
  );
}

/** Wraps a value that must be an object. */
export function asFields(value: unknown, file: string, path: string): Fields {
  if (isRecord(value)) return { file, path, object: value };
  throw badField({ file, path: '' }, path, `is ${show(value)}, not an object`);
}

/** The object at `name`; undefined when absent or null. */
export function optionalFields(fields: Fields, name: string): Fields | undefined {
  const value = fields.object[name];
  if (value === undefined || value === null) return undefined;
  return asFields(value, fields.file, joinPath(fields, name));
}

/** The list of objects at `name`. */
export function listOfFields(fields: Fields, name: string): Fields[] {
  return listAt(fields, name).map((value, i) => asFields(value, fields.file, `${joinPath(fields, name)}[${i}]`));
}

/** The list at `name`. */
export function listAt(fields: Fields, name: string): readonly unknown[] {
  const value = fields.object[name];
  if (Array.isArray(value)) return value;
  throw badField(fields, name, value === undefined ? 'is missing' : `is ${show(value)}, not a list`);
}

/** The text at `name`, or `fallback` when absent. */
export function textAt(fields: Fields, name: string, fallback?: string): string {
  const value = fields.object[name];
  if (typeof value === 'string') return value;
  if ((value === undefined || value === null) && fallback !== undefined) return fallback;
  throw badField(fields, name, value === undefined ? 'is missing' : `is ${show(value)}, not text`);
}

/** The text at `name`; undefined when absent or null. */
export function optionalTextAt(fields: Fields, name: string): string | undefined {
  const value = fields.object[name];
  return value === undefined || value === null ? undefined : textAt(fields, name);
}

/** The truth value at `name`, or `fallback` when absent. */
export function booleanAt(fields: Fields, name: string, fallback?: boolean): boolean {
  const value = fields.object[name];
  if (typeof value === 'boolean') return value;
  if ((value === undefined || value === null) && fallback !== undefined) return fallback;
  throw badField(fields, name, value === undefined ? 'is missing' : `is ${show(value)}, not true or false`);
}

/** The whole number of at least 0 at `name`, or `fallback` when absent. */
export function countAt(fields: Fields, name: string, fallback?: number): number {
  const value = fields.object[name];
  if (isId(value)) return value;
  if ((value === undefined || value === null) && fallback !== undefined) return fallback;
  throw badField(fields, name, value === undefined ? 'is missing' : `is ${show(value)}, not a whole number`);
}

/** One of `words` at `name`, or `fallback` when absent. */
export function wordAt<W extends string>(fields: Fields, name: string, words: readonly W[], fallback?: W): W {
  const value = fields.object[name];
  if ((value === undefined || value === null) && fallback !== undefined) return fallback;
  const found = words.find((word) => word === value);
  if (found !== undefined) return found;
  throw badField(fields, name, `is ${show(value)}; known are ${words.join(', ')}`);
}

/** The place of `name` inside `fields`. */
export function joinPath(fields: Fields, name: string): string {
  return fields.path === '' ? name : `${fields.path}.${name}`;
}

/** Whether `value` can be a token's id: whole, from 0, small enough that a pair of ids fits in one exact number. */
export function isId(value: unknown): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 && value < ID_LIMIT;
}

/** Ids are below this: 2^26, more than a hundred times the largest vocabulary in use. */
export const ID_LIMIT = 2 ** 26;

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
