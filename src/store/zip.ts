/**
 * Zip archives, read by random access and written as a stream; for portable runs and Inspect's logs.
 *
 * Source: APPNOTE.TXT 6.3.10 (PKWARE), with its 64-bit extensions. Reads stored, deflated and, where this Node has it,
 * Zstandard entries; checks every checksum; refuses encryption and other methods by name. A declared size is a limit:
 * an entry that expands beyond it is refused, so a small file cannot fill the memory.
 */
import { createHash } from 'node:crypto';
import { open, rename, rm } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { promisify } from 'node:util';
import * as zlib from 'node:zlib';
import { FiducialError, show } from '../core/errors.ts';

const deflate = promisify<Uint8Array, zlib.ZlibOptions, Buffer>(zlib.deflateRaw);

const endSignature = 0x06054b50;
const end64Signature = 0x06064b50;
const locator64Signature = 0x07064b50;
const centralSignature = 0x02014b50;
const localSignature = 0x04034b50;
const largestField = 0xffffffff;
const largestCount = 0xffff;
const bufferBytes = 1024 * 1024;
const entryLimitBytes = 2 ** 31;
const methodNames: Record<number, string> = {
  1: 'Shrink',
  6: 'Implode',
  9: 'Deflate64',
  12: 'BZIP2',
  14: 'LZMA',
  93: 'Zstandard',
  95: 'XZ',
  98: 'PPMd',
};

export interface ZipEntry {
  readonly name: string;
  readonly method: number;
  readonly compressedBytes: number;
  readonly bytes: number;
  readonly crc: number;
  readonly offset: number;
  readonly isEncrypted: boolean;
}

export interface ZipReader {
  readonly entries: ReadonlyMap<string, ZipEntry>;
  /** The bytes of an entry. Throws `store.bad-archive` for a missing, damaged or unreadable one. */
  read(name: string): Promise<Uint8Array>;
  close(): Promise<void>;
}

/** Opens an archive and reads its directory. Throws `store.bad-archive`. */
export async function openZip(path: string): Promise<ZipReader> {
  let file: FileHandle;
  try {
    file = await open(path, 'r');
  } catch (error) {
    throw new FiducialError(
      'store.no-file',
      `${path} cannot be read: ${(error as Error).message}`,
      'Name a file that exists.',
      { cause: error },
    );
  }
  try {
    const entries = await readDirectory(file, path);
    return { entries, read: (name) => readEntry(file, path, entries.get(name), name), close: () => file.close() };
  } catch (error) {
    await file.close();
    throw error;
  }
}

async function readDirectory(file: FileHandle, path: string): Promise<Map<string, ZipEntry>> {
  const { size } = await file.stat();
  // The end record is followed by a comment of at most 65,535 bytes.
  const tail = await readAt(file, Math.max(0, size - 65_557 - 20), Math.min(size, 65_557 + 20), path);
  let at = tail.length - 22;
  while (at >= 0 && tail.readUInt32LE(at) !== endSignature) at--;
  if (at < 0) throw damaged(path, 'it has no directory; it is no zip archive, or it was cut off');
  let count = tail.readUInt16LE(at + 10);
  let length = tail.readUInt32LE(at + 12);
  let start = tail.readUInt32LE(at + 16);
  if (
    (count === largestCount || length === largestField || start === largestField) &&
    at >= 20 &&
    tail.readUInt32LE(at - 20) === locator64Signature
  ) {
    const record = await readAt(file, Number(tail.readBigUInt64LE(at - 20 + 8)), 56, path);
    if (record.readUInt32LE(0) !== end64Signature)
      throw damaged(path, 'its 64-bit directory is not where it should be');
    count = Number(record.readBigUInt64LE(32));
    length = Number(record.readBigUInt64LE(40));
    start = Number(record.readBigUInt64LE(48));
  }
  const directory = await readAt(file, start, length, path);
  const entries = new Map<string, ZipEntry>();
  for (let position = 0, i = 0; i < count; i++) {
    if (position + 46 > directory.length || directory.readUInt32LE(position) !== centralSignature)
      throw damaged(path, 'its directory is damaged');
    const nameLength = directory.readUInt16LE(position + 28);
    const extraLength = directory.readUInt16LE(position + 30);
    const name = directory.toString('utf8', position + 46, position + 46 + nameLength);
    const extra = directory.subarray(position + 46 + nameLength, position + 46 + nameLength + extraLength);
    const sizes = [
      directory.readUInt32LE(position + 24),
      directory.readUInt32LE(position + 20),
      directory.readUInt32LE(position + 42),
    ];
    const [bytes, compressedBytes, offset] = widen(sizes, extra);
    entries.set(name, {
      name,
      method: directory.readUInt16LE(position + 10),
      crc: directory.readUInt32LE(position + 16),
      isEncrypted: (directory.readUInt16LE(position + 8) & 1) === 1,
      bytes: bytes!,
      compressedBytes: compressedBytes!,
      offset: offset!,
    });
    position += 46 + nameLength + extraLength + directory.readUInt16LE(position + 32);
  }
  return entries;
}

/** Replaces fields that did not fit into 32 bits by those of the 64-bit extra field, in its order. */
function widen(fields: readonly number[], extra: Buffer): number[] {
  for (let at = 0; at + 4 <= extra.length; at += 4 + extra.readUInt16LE(at + 2)) {
    if (extra.readUInt16LE(at) !== 1) continue;
    let position = at + 4;
    return fields.map((field) => {
      if (field !== largestField || position + 8 > extra.length) return field;
      position += 8;
      return Number(extra.readBigUInt64LE(position - 8));
    });
  }
  return [...fields];
}

async function readEntry(
  file: FileHandle,
  path: string,
  entry: ZipEntry | undefined,
  name: string,
): Promise<Uint8Array> {
  if (entry === undefined) throw damaged(path, `it has no entry ${show(name)}`);
  if (entry.isEncrypted) throw damaged(path, `its entry ${show(name)} is encrypted`);
  if (entry.bytes > entryLimitBytes)
    throw damaged(path, `its entry ${show(name)} has ${entry.bytes} bytes, more than can be read at once`);
  const header = await readAt(file, entry.offset, 30, path);
  if (header.readUInt32LE(0) !== localSignature)
    throw damaged(path, `its entry ${show(name)} is not where its directory says`);
  const start = entry.offset + 30 + header.readUInt16LE(26) + header.readUInt16LE(28);
  const raw = await readAt(file, start, entry.compressedBytes, path);
  let bytes: Uint8Array;
  try {
    bytes = expand(raw, entry);
  } catch (error) {
    if (error instanceof FiducialError) throw error;
    throw damaged(path, `its entry ${show(name)} cannot be expanded: ${(error as Error).message}`);
  }
  if (bytes.length !== entry.bytes || zlib.crc32(bytes) !== entry.crc)
    throw damaged(path, `its entry ${show(name)} has changed: its checksum is wrong`);
  return bytes;
}

// Node 22.15 and newer; the types here are those of Node 20.
const zstd = (zlib as { zstdDecompressSync?: (bytes: Uint8Array, options: { maxOutputLength: number }) => Buffer })
  .zstdDecompressSync;

function expand(raw: Buffer, entry: ZipEntry): Uint8Array {
  const options = { maxOutputLength: Math.max(1, entry.bytes) };
  if (entry.method === 0) return raw;
  if (entry.method === 8) return zlib.inflateRawSync(raw, options);
  if (entry.method === 93 && zstd !== undefined) return zstd(raw, options);
  const method = methodNames[entry.method] ?? `method ${entry.method}`;
  throw new FiducialError(
    'store.compression',
    `The entry ${show(entry.name)} is compressed with ${method}, which this Node (${process.version}) cannot read.`,
    entry.method === 93
      ? 'Run this with Node 22.15 or newer, or write the archive again with deflate.'
      : 'Write the archive again with deflate.',
  );
}

async function readAt(file: FileHandle, position: number, length: number, path: string): Promise<Buffer> {
  const { size } = await file.stat();
  if (position < 0 || length < 0 || position + length > size)
    throw damaged(path, 'it points outside of itself; it was cut off or damaged');
  const bytes = Buffer.alloc(length);
  const { bytesRead } = await file.read(bytes, 0, length, position);
  if (bytesRead !== length) throw damaged(path, 'it was cut off');
  return bytes;
}

function damaged(path: string, what: string): FiducialError {
  return new FiducialError('store.bad-archive', `${path} cannot be read: ${what}.`, 'Copy or download the file again.');
}

export interface ZipWriter {
  add(name: string, bytes: Uint8Array | string): Promise<void>;
  /** Writes the directory, flushes, and puts the file at its place. Returns its size and SHA-256. */
  finish(): Promise<{ readonly bytes: number; readonly sha256: string }>;
  /** Removes what was written. */
  abandon(): Promise<void>;
}

/** Writes an archive aside, so that the file at `path` is whole or is not there. Equal content gives equal bytes. */
export async function createZip(path: string): Promise<ZipWriter> {
  const aside = `${path}.${process.pid}.part`;
  const file = await open(aside, 'w');
  const hash = createHash('sha256');
  const directory: Buffer[] = [];
  let position = 0;
  let pending: Uint8Array[] = [];
  let pendingBytes = 0;
  const flush = async () => {
    const bytes = Buffer.concat(pending);
    pending = [];
    pendingBytes = 0;
    await file.writeFile(bytes);
    hash.update(bytes);
  };
  // Small entries go to the file together.
  const write = async (bytes: Uint8Array) => {
    pending.push(bytes);
    pendingBytes += bytes.length;
    position += bytes.length;
    if (pendingBytes >= bufferBytes) await flush();
  };
  return {
    async add(name, content) {
      const bytes = typeof content === 'string' ? Buffer.from(content) : content;
      if (bytes.length > entryLimitBytes) {
        throw new FiducialError(
          'store.too-large',
          `${show(name)} has ${bytes.length} bytes; an entry holds up to ${entryLimitBytes}.`,
          'Copy this artefact by itself.',
        );
      }
      // A few bytes never shrink.
      const deflated = bytes.length < 32 ? bytes : await deflate(bytes, { level: 6 });
      const isSmaller = deflated.length < bytes.length;
      const data = isSmaller ? deflated : bytes;
      const nameBytes = Buffer.from(name);
      const common = Buffer.alloc(26);
      common.writeUInt16LE(45, 0); // version that knows 64-bit sizes
      common.writeUInt16LE(0x0800, 2); // names are UTF-8
      common.writeUInt16LE(isSmaller ? 8 : 0, 4);
      common.writeUInt32LE(0x00210000, 6); // 1 January 1980: the time of writing is no content
      common.writeUInt32LE(zlib.crc32(bytes), 10);
      common.writeUInt32LE(data.length, 14);
      common.writeUInt32LE(bytes.length, 18);
      common.writeUInt16LE(nameBytes.length, 22);
      const offset = position;
      const isFar = offset >= largestField;
      const extra = isFar ? Buffer.alloc(12) : Buffer.alloc(0);
      if (isFar) {
        extra.writeUInt16LE(1, 0);
        extra.writeUInt16LE(8, 2);
        extra.writeBigUInt64LE(BigInt(offset), 4);
      }
      await write(Buffer.concat([uint32(localSignature), common, nameBytes]));
      await write(data);
      const central = Buffer.from(common);
      central.writeUInt16LE(extra.length, 24);
      const rest = Buffer.alloc(14);
      rest.writeUInt32LE(isFar ? largestField : offset, 10);
      directory.push(Buffer.concat([uint32(centralSignature), uint16(45), central, rest, nameBytes, extra]));
    },
    async finish() {
      const start = position;
      for (const entry of directory) await write(entry);
      const length = position - start;
      const count = directory.length;
      if (count >= largestCount || start >= largestField || length >= largestField) {
        const record = Buffer.alloc(76);
        record.writeUInt32LE(end64Signature, 0);
        record.writeBigUInt64LE(44n, 4);
        record.writeUInt16LE(45, 12);
        record.writeUInt16LE(45, 14);
        record.writeBigUInt64LE(BigInt(count), 24);
        record.writeBigUInt64LE(BigInt(count), 32);
        record.writeBigUInt64LE(BigInt(length), 40);
        record.writeBigUInt64LE(BigInt(start), 48);
        record.writeUInt32LE(locator64Signature, 56);
        record.writeBigUInt64LE(BigInt(position), 64);
        record.writeUInt32LE(1, 72);
        await write(record);
      }
      const end = Buffer.alloc(22);
      end.writeUInt32LE(endSignature, 0);
      end.writeUInt16LE(Math.min(count, largestCount), 8);
      end.writeUInt16LE(Math.min(count, largestCount), 10);
      end.writeUInt32LE(Math.min(length, largestField), 12);
      end.writeUInt32LE(Math.min(start, largestField), 16);
      await write(end);
      await flush();
      await file.sync();
      await file.close();
      await rename(aside, path);
      return { bytes: position, sha256: hash.digest('hex') };
    },
    async abandon() {
      await file.close();
      await rm(aside, { force: true });
    },
  };
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

function uint16(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16LE(value);
  return bytes;
}
