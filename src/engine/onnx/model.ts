/**
 * ONNX models as plain data, and their bytes.
 *
 * Source: onnx.proto3 of ONNX 1.19 (IR version 11, operator set 23). Weights may stay where they are: an initializer
 * with `external` points into a file by offset and length, and that file may be a safetensors file.
 */
import { FiducialError } from '../../core/errors.ts';
import { type DType, onnxTypeOf } from '../dtype.ts';
import { ProtobufWriter } from './protobuf.ts';

export type OnnxAttribute =
  | { readonly int: number }
  | { readonly float: number }
  | { readonly text: string }
  | { readonly ints: readonly number[] }
  | { readonly floats: readonly number[] };

export interface OnnxNode {
  readonly type: string;
  readonly domain?: string;
  readonly name?: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes?: Readonly<Record<string, OnnxAttribute>>;
}

export interface OnnxInitializer {
  readonly name: string;
  readonly dtype: DType;
  readonly shape: readonly number[];
  /** The bytes themselves, or where they lie. `location` is relative to the folder that the session is given. */
  readonly bytes?: Uint8Array;
  readonly external?: { readonly location: string; readonly byteOffset: number; readonly byteLength: number };
}

export interface OnnxValue {
  readonly name: string;
  readonly dtype: DType;
  readonly shape: readonly number[];
}

export interface OnnxModel {
  readonly nodes: readonly OnnxNode[];
  readonly initializers: readonly OnnxInitializer[];
  readonly inputs: readonly OnnxValue[];
  readonly outputs: readonly OnnxValue[];
}

const IR_VERSION = 11;
export const OPERATOR_SET = 23;
/** A protobuf message, and so an ONNX model without its external data, ends here. */
const LARGEST_MODEL_BYTES = 2 ** 31 - 1;

/** Throws `engine.graph-too-large` where constants of this many bytes do not fit a model. */
export function requireModelSize(constantBytes: number): void {
  if (constantBytes > LARGEST_MODEL_BYTES) throw tooLarge(constantBytes);
}

/** Serialised `ModelProto`. Throws `engine.graph-too-large` past 2 GB. */
export function encodeModel(model: OnnxModel): Uint8Array {
  let constantBytes = 0;
  for (const initializer of model.initializers) constantBytes += initializer.bytes?.length ?? 0;
  requireModelSize(constantBytes);
  const w = new ProtobufWriter();
  w.integer(1, IR_VERSION);
  w.text(2, 'fiducial');
  w.message(7, () => {
    for (const node of model.nodes) w.message(1, () => writeNode(w, node));
    w.text(2, 'graph');
    for (const initializer of model.initializers) w.message(5, () => writeInitializer(w, initializer));
    for (const value of model.inputs) w.message(11, () => writeValue(w, value));
    for (const value of model.outputs) w.message(12, () => writeValue(w, value));
  });
  for (const [domain, version] of [
    ['', OPERATOR_SET],
    ['com.microsoft', 1],
  ] as const) {
    w.message(8, () => {
      w.text(1, domain);
      w.integer(2, version);
    });
  }
  if (w.length > LARGEST_MODEL_BYTES) throw tooLarge(w.length);
  return w.finish();
}

function tooLarge(bytes: number): FiducialError {
  return new FiducialError(
    'engine.graph-too-large',
    `The graph with its constants is ${(bytes / 2 ** 30).toFixed(2)} GiB, and an ONNX model ends at 2 GiB`,
    'Pass large arrays as arguments, or read weights by reference from a safetensors file.',
  );
}

function writeNode(w: ProtobufWriter, node: OnnxNode): void {
  for (const input of node.inputs) w.text(1, input);
  for (const output of node.outputs) w.text(2, output);
  if (node.name !== undefined) w.text(3, node.name);
  w.text(4, node.type);
  for (const [name, value] of Object.entries(node.attributes ?? {})) {
    w.message(5, () => {
      w.text(1, name);
      if ('float' in value) {
        w.float(2, value.float);
        w.integer(20, 1);
      } else if ('int' in value) {
        w.integer(3, value.int);
        w.integer(20, 2);
      } else if ('text' in value) {
        w.text(4, value.text);
        w.integer(20, 3);
      } else if ('floats' in value) {
        w.floats(7, value.floats);
        w.integer(20, 6);
      } else {
        w.integers(8, value.ints);
        w.integer(20, 7);
      }
    });
  }
  if (node.domain !== undefined) w.text(7, node.domain);
}

function writeInitializer(w: ProtobufWriter, initializer: OnnxInitializer): void {
  w.integers(1, initializer.shape);
  w.integer(2, onnxTypeOf(initializer.dtype));
  w.text(8, initializer.name);
  const { bytes, external } = initializer;
  if (bytes !== undefined) w.bytes(9, bytes);
  else if (external !== undefined) {
    const entries = [
      ['location', external.location],
      ['offset', String(external.byteOffset)],
      ['length', String(external.byteLength)],
    ] as const;
    for (const [key, value] of entries) {
      w.message(13, () => {
        w.text(1, key);
        w.text(2, value);
      });
    }
    w.integer(14, 1);
  }
}

function writeValue(w: ProtobufWriter, value: OnnxValue): void {
  w.text(1, value.name);
  w.message(2, () =>
    w.message(1, () => {
      w.integer(1, onnxTypeOf(value.dtype));
      w.message(2, () => {
        for (const size of value.shape) w.message(1, () => w.integer(1, size));
      });
    }),
  );
}
