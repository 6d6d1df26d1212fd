/**
 * Reader and writer of safetensors files.
 *
 * The reader parses the header and gives each tensor's place; data is read only when asked for, so that an engine can
 * open the weights by reference. The writer streams tensors to a temporary file beside the target, syncs and renames,
 * so a crash leaves the old file or the new one. Format and checks: `header.ts`; 16-bit floats: `half.ts`.
 * Tensors are written in the reference's order (largest element first, then by name), which keeps each aligned.
 */
import { randomUUID } from 'node:crypto';
import { open, rename, rm, type FileHandle } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { FiducialError, show } from '../../core/errors.ts';
import type { TypedArray } from '../../core/values.ts';
import { DTYPE_BYTES, elementCount, MAX_HEADER_BYTES, parseHeader, type Dtype, type TensorEntry } from './header.ts';
import { systemCode } from './hub-cache.ts';
import { narrowBfloat16, narrowFloat16, widenBfloat16, widenFloat16 } from './half.ts';

/** An opened file: where everything lies; no data, no open handle. */
export interface SafetensorsFile {
  readonly file: string;
  readonly tensors: ReadonlyMap<string, TensorEntry>;
  readonly metadata: Readonly<Record<string, string>>;
}

/** One tensor to write. A Float32Array is narrowed where `dtype` is F16 or BF16; bytes are written as they are. */
export interface TensorToWrite {
  readonly name: string;
  readonly dtype: Dtype;
  readonly shape: readonly number[];
  /** The values, or a function that makes them when their turn comes, so that one tensor is in memory at a time. */
  readonly data: TypedArray | (() => TypedArray | Promise<TypedArray>);
}

/** Bytes handed to the disk at once: a system call takes less than 2 GiB. */
const CHUNK_BYTES = 1 << 28;

/**
 * Parses the header of the safetensors file at `path`.
 *
 * @throws FiducialError `checkpoint.absent`, `checkpoint.truncated`, `checkpoint.header`, `checkpoint.duplicate`,
 *   `checkpoint.dtype`, `checkpoint.shape`, `checkpoint.offsets`, `checkpoint.overlap`; each names file and field
 * @example
 * const { tensors } = await openSafetensors('model.safetensors');
 * const weights = await readFloat32(tensors.get('wte.weight')!);
 */
export async function openSafetensors(path: string): Promise<SafetensorsFile> {
  await using handle = await openForReading(path);
  const fileBytes = (await handle.stat()).size;
  if (fileBytes < 8) {
    throw truncated(path, `the file has ${fileBytes} bytes; a safetensors file starts with eight of header length`);
  }
  const prefix = await readRange(handle, path, 0, 8);
  const headerBytes = Buffer.from(prefix.buffer, prefix.byteOffset, 8).readBigUInt64LE();
  if (headerBytes > BigInt(MAX_HEADER_BYTES)) {
    throw new FiducialError(
      'checkpoint.header',
      `${path}: the header length is ${headerBytes} bytes; at most ${MAX_HEADER_BYTES} are allowed`,
      'This is probably not a safetensors file. Check where it came from.',
    );
  }
  const dataStart = 8 + Number(headerBytes);
  if (dataStart > fileBytes) {
    throw truncated(path, `the header length is ${headerBytes} bytes, but the file ends after ${fileBytes}`);
  }
  const raw = await readRange(handle, path, 8, dataStart - 8);
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(raw);
  } catch (cause) {
    throw new FiducialError(
      'checkpoint.header',
      `${path}: the header is not UTF-8 text`,
      'This is probably not a safetensors file. Check where it came from.',
      { cause },
    );
  }
  return { file: path, ...parseHeader(text, path, dataStart, fileBytes) };
}

/**
 * The bytes of one tensor, as they lie in the file.
 *
 * @throws FiducialError `checkpoint.truncated` when the file has become shorter since it was opened
 */
export async function readTensor(entry: TensorEntry): Promise<Uint8Array<ArrayBuffer>> {
  await using handle = await openForReading(entry.file);
  return await readRange(handle, entry.file, entry.byteOffset, entry.byteLength);
}

/**
 * The values of one floating-point tensor as float32: F16 and BF16 are widened exactly, F64 is rounded.
 *
 * @throws FiducialError `checkpoint.dtype` for integers and booleans
 */
export async function readFloat32(entry: TensorEntry): Promise<Float32Array<ArrayBuffer>> {
  const kind = entry.dtype;
  if (kind !== 'F32' && kind !== 'F16' && kind !== 'BF16' && kind !== 'F64') {
    throw new FiducialError(
      'checkpoint.dtype',
      `${entry.file}: ${show(entry.name)} is ${kind}; float32 is read from F32, F16, BF16 and F64`,
      'Read it with readTensor.',
    );
  }
  const bytes = await readTensor(entry);
  if (kind === 'F32') return new Float32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4);
  if (kind === 'F64') {
    return Float32Array.from(new Float64Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 8));
  }
  const halves = new Uint16Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 2);
  const target = new Float32Array(halves.length);
  if (kind === 'F16') widenFloat16(halves, target);
  else widenBfloat16(halves, target);
  return target;
}

/**
 * Writes `tensors` to a safetensors file at `path`, atomically.
 *
 * @param metadata strings for `__metadata__`; `format: 'pt'` unless told, which the Python libraries ask for
 * @throws FiducialError `checkpoint.shape` when data disagrees with its shape, `checkpoint.duplicate`
 * @example
 * await writeSafetensors('a.safetensors', [{ name: 'w', dtype: 'BF16', shape: [2], data: Float32Array.of(1, 2) }]);
 */
export async function writeSafetensors(
  path: string,
  tensors: readonly TensorToWrite[],
  metadata: Readonly<Record<string, string>> = { format: 'pt' },
): Promise<void> {
  const ordered = inFileOrder(tensors);
  const header = makeHeader(path, ordered, metadata);
  const temporary = join(dirname(path), `.${basename(path)}.${randomUUID()}.tmp`);
  try {
    const handle = await open(temporary, 'wx');
    try {
      await writeAll(handle, header);
      for (const tensor of ordered) {
        const data = typeof tensor.data === 'function' ? await tensor.data() : tensor.data;
        await writeAll(handle, bytesToWrite(path, tensor, data));
      }
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(temporary, path);
    await syncFolder(dirname(path));
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}

/**
 * The same file in memory, for values that are kept by their content.
 *
 * @throws FiducialError as {@link writeSafetensors}
 * @example const bytes = await safetensorsBytes([{ name: 'w', dtype: 'F32', shape: [2], data: Float32Array.of(1, 2) }]);
 */
export async function safetensorsBytes(
  tensors: readonly TensorToWrite[],
  metadata: Readonly<Record<string, string>> = { format: 'pt' },
): Promise<Uint8Array<ArrayBuffer>> {
  const what = 'safetensors in memory';
  const ordered = inFileOrder(tensors);
  const header = makeHeader(what, ordered, metadata);
  const whole = new Uint8Array(header.length + ordered.reduce((total, one) => total + tensorBytes(one), 0));
  whole.set(header);
  let at = header.length;
  for (const tensor of ordered) {
    const bytes = bytesToWrite(what, tensor, typeof tensor.data === 'function' ? await tensor.data() : tensor.data);
    whole.set(bytes, at);
    at += bytes.length;
  }
  return whole;
}

/**
 * Float32 tensors of a safetensors file in memory, copied out of it.
 *
 * @throws FiducialError those of {@link openSafetensors}; `checkpoint.dtype` for tensors that are not F32
 */
export function readSafetensorsBytes(bytes: Uint8Array): {
  readonly tensors: ReadonlyMap<
    string,
    { readonly shape: readonly number[]; readonly data: Float32Array<ArrayBuffer> }
  >;
  readonly metadata: Readonly<Record<string, string>>;
} {
  const what = 'safetensors in memory';
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const headerBytes = bytes.length < 8 ? Infinity : Number(view.getBigUint64(0, true));
  if (headerBytes > MAX_HEADER_BYTES || 8 + headerBytes > bytes.length) {
    throw truncated(what, `${bytes.length} bytes are too few for their header`);
  }
  const dataStart = 8 + headerBytes;
  const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes.subarray(8, dataStart));
  const { tensors, metadata } = parseHeader(text, what, dataStart, bytes.length);
  const read = [...tensors].map(([name, { dtype, shape, byteOffset, byteLength }]) => {
    if (dtype !== 'F32') {
      throw new FiducialError('checkpoint.dtype', `${what}: ${show(name)} is ${dtype}`, 'Write it as F32.');
    }
    return [name, { shape, data: new Float32Array(bytes.slice(byteOffset, byteOffset + byteLength).buffer) }] as const;
  });
  return { tensors: new Map(read), metadata };
}

/** The reference's order: largest element first, then by name, which keeps each tensor aligned. */
const inFileOrder = (tensors: readonly TensorToWrite[]): TensorToWrite[] =>
  tensors.toSorted(
    (a, b) => DTYPE_BYTES[b.dtype] - DTYPE_BYTES[a.dtype] || (a.name < b.name ? -1 : a.name > b.name ? 1 : 0),
  );

/** Bytes that `tensor` takes in a file. */
export function tensorBytes(tensor: Pick<TensorToWrite, 'name' | 'dtype' | 'shape'>): number {
  const count = tensor.shape.every((size) => Number.isSafeInteger(size) && size >= 0)
    ? elementCount(tensor.shape)
    : undefined;
  if (count === undefined) {
    throw new FiducialError(
      'checkpoint.shape',
      `${show(tensor.name)} has shape ${show(tensor.shape)}, which is not a list of sizes`,
      'Give whole numbers of at least 0.',
    );
  }
  return count * DTYPE_BYTES[tensor.dtype];
}

/** Makes a rename in `folder` last through a power cut; where the platform can't sync a folder, nothing is lost. */
export async function syncFolder(folder: string): Promise<void> {
  if (process.platform === 'win32') return;
  await using handle = await open(folder, 'r');
  await handle.sync();
}

function makeHeader(
  path: string,
  tensors: readonly TensorToWrite[],
  metadata: Readonly<Record<string, string>>,
): Uint8Array {
  const fields: [string, unknown][] = [['__metadata__', metadata]];
  const names = new Set(['__metadata__']);
  let offset = 0;
  for (const { name, dtype, shape } of tensors) {
    if (names.has(name)) {
      throw new FiducialError('checkpoint.duplicate', `${path}: tensor ${show(name)} is given twice`, 'Rename one.');
    }
    names.add(name);
    const end = offset + tensorBytes({ name, dtype, shape });
    fields.push([name, { dtype, shape, data_offsets: [offset, end] }]);
    offset = end;
  }
  // Written by hand because an object can't hold a key named __proto__ and would put number-like names first.
  const json = `{${fields.map(([name, value]) => `${JSON.stringify(name)}:${JSON.stringify(value)}`).join(',')}}`;
  const text = Buffer.from(json, 'utf8');
  const padded = Math.ceil(text.length / 8) * 8;
  const header = Buffer.alloc(8 + padded, ' ');
  header.writeBigUInt64LE(BigInt(padded));
  text.copy(header, 8);
  return header;
}

function bytesToWrite(path: string, tensor: TensorToWrite, data: TypedArray): Uint8Array {
  let values: TypedArray = data;
  if (data instanceof Float32Array && tensor.dtype === 'F16') values = narrowFloat16(data);
  else if (data instanceof Float32Array && tensor.dtype === 'BF16') values = narrowBfloat16(data);
  const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  if (bytes.byteLength !== tensorBytes(tensor)) {
    throw new FiducialError(
      'checkpoint.shape',
      `${path}: ${show(tensor.name)} was given ${bytes.byteLength} bytes, but ${tensor.dtype} of shape ` +
        `${show(tensor.shape)} takes ${tensorBytes(tensor)}`,
      'Make shape, dtype and data agree.',
    );
  }
  return bytes;
}

async function writeAll(handle: FileHandle, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.byteLength;) {
    const { bytesWritten } = await handle.write(bytes, at, Math.min(CHUNK_BYTES, bytes.byteLength - at));
    at += bytesWritten;
  }
}

async function openForReading(path: string): Promise<FileHandle> {
  try {
    return await open(path, 'r');
  } catch (cause) {
    const reason = systemCode(cause) ?? String(cause);
    throw new FiducialError('checkpoint.absent', `${path}: can't be opened (${reason})`, 'Check the path.', { cause });
  }
}

async function readRange(
  handle: FileHandle,
  path: string,
  start: number,
  length: number,
): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = new Uint8Array(length);
  for (let at = 0; at < length;) {
    const { bytesRead } = await handle.read(bytes, at, Math.min(CHUNK_BYTES, length - at), start + at);
    if (bytesRead === 0)
      throw truncated(path, `the file ends at byte ${start + at}; ${length - at} more were expected`);
    at += bytesRead;
  }
  return bytes;
}

function truncated(path: string, what: string): FiducialError {
  return new FiducialError(
    'checkpoint.truncated',
    `${path}: ${what}`,
    'Download or export the file again; a truncated copy is the usual cause.',
  );
}
