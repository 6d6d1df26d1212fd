/**
 * Trees of float32 arrays with plain data beside them as bytes and back, bit for bit: what a training checkpoint is.
 * Layout: the header's length (uint32, little endian), the header as JSON, padded to four bytes, then the arrays.
 */
import { FiducialError } from '../../core/errors.ts';
import type { Json } from '../../core/values.ts';
import { elementCount, fromData, mapTree, namedLeaves, type Tree } from '../../engine/index.ts';

interface Header {
  readonly format: typeof FORMAT;
  readonly data: Json;
  readonly arrays: readonly { readonly name: string; readonly shape: readonly number[] }[];
}

const FORMAT = 'fiducial-training-1';

/** Copies a tree and what belongs to it into bytes. Arrays must be float32 in JavaScript memory. */
export function treeToBytes(tree: Tree, data: Json): Uint8Array {
  const leaves = namedLeaves(tree);
  const arrays = leaves.map(({ name, tensor }) => ({ name, shape: tensor.shape }));
  const header: Header = { format: FORMAT, data, arrays };
  const text = new TextEncoder().encode(JSON.stringify(header));
  const start = 4 + Math.ceil(text.length / 4) * 4;
  const bytes = new Uint8Array(start + 4 * leaves.reduce((sum, { tensor }) => sum + tensor.size, 0)).fill(
    0x20,
    0,
    start,
  );
  new DataView(bytes.buffer).setUint32(0, start - 4, true);
  bytes.set(text, 4);
  const values = new Float32Array(bytes.buffer, start);
  let at = 0;
  for (const { name, tensor } of leaves) {
    if (tensor.dtype !== 'float32') throw broken(`${name} is ${tensor.dtype}`);
    values.set(tensor.data as Float32Array, at);
    at += tensor.size;
  }
  return bytes;
}

/**
 * The data and arrays of {@link treeToBytes}. The arrays take the form of `like`, which decides about names and shapes.
 *
 * @throws FiducialError `train.checkpoint` for bytes of another tree or cut ones
 */
export function treeFromBytes(bytes: Uint8Array, like: (data: Json) => Tree): { tree: Tree; data: Json } {
  if (bytes.byteLength < 4) throw broken(`it has ${bytes.byteLength} bytes`);
  const start = 4 + new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true);
  if (start > bytes.byteLength) throw broken('it is cut');
  let header: Header;
  try {
    header = JSON.parse(new TextDecoder().decode(bytes.subarray(4, start))) as Header;
  } catch (cause) {
    throw broken('its header is not JSON', cause);
  }
  if (header.format !== FORMAT) throw broken('its format is another one');
  const places = new Map<string, { readonly shape: readonly number[]; readonly at: number }>();
  let at = start;
  for (const { name, shape } of header.arrays) {
    places.set(name, { shape, at });
    at += 4 * elementCount(shape);
  }
  if (at !== bytes.byteLength) throw broken(`it has ${bytes.byteLength} bytes, and its header says ${at}`);
  const tree = mapTree(like(header.data), (leaf, name) => {
    const place = places.get(name);
    if (place === undefined || place.shape.join() !== leaf.shape.join()) {
      throw broken(`${name} is [${leaf.shape.join(', ')}], and the checkpoint has [${place?.shape.join(', ') ?? ''}]`);
    }
    // Copied: the bytes need not be aligned, and a step overwrites what it is given.
    // Not `bytes.slice`: a Buffer's shares its memory.
    const own = new Uint8Array(bytes.subarray(place.at, place.at + 4 * leaf.size));
    return fromData(new Float32Array(own.buffer), leaf.shape, 'float32');
  });
  return { tree, data: header.data };
}

const broken = (why: string, cause?: unknown): FiducialError =>
  new FiducialError(
    'train.checkpoint',
    `this training checkpoint cannot be read: ${why}`,
    'It belongs to other settings or another network: begin anew, or give it those it was made with.',
    cause === undefined ? undefined : { cause },
  );
