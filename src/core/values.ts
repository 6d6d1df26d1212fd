/** Plain values that pass between the layers: JSON, content references, schemas, sources. No behaviour. */

export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

/** The address of bytes by their content: `sha256:` and 64 lower-case hexadecimal digits. */
export type Ref = `sha256:${string}`;

/** Where a method or a figure comes from. */
export interface Source {
  readonly title: string;
  readonly authors?: string;
  readonly year?: number;
  readonly url?: string;
}

/** Bytes of every kind of number that this project handles. */
export type TypedArray =
  | Float32Array
  | Float64Array
  | Int8Array
  | Int16Array
  | Int32Array
  | Uint8Array
  | Uint16Array
  | Uint32Array
  | BigInt64Array;
