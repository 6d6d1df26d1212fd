/**
 * A writer for the protobuf wire format, just large enough for ONNX.
 *
 * Lengths of nested messages are written as five-byte varints and filled in afterwards: not the shortest form, which
 * every protobuf reader accepts, and it needs no second pass over the tree.
 * Source: protobuf.dev, "Encoding".
 */
const encoder = new TextEncoder();

export class ProtobufWriter {
  #bytes = new Uint8Array(4096);
  #length = 0;

  finish(): Uint8Array {
    return this.#bytes.slice(0, this.#length);
  }

  get length(): number {
    return this.#length;
  }

  #reserve(count: number): void {
    const needed = this.#length + count;
    if (needed <= this.#bytes.length) return;
    const grown = new Uint8Array(Math.max(needed, this.#bytes.length * 2));
    grown.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = grown;
  }

  #varint(value: number): void {
    this.#reserve(10);
    if (value < 0) {
      // Negative numbers are ten bytes of two's complement.
      let rest = BigInt.asUintN(64, BigInt(value));
      for (let i = 0; i < 9; i++) {
        this.#bytes[this.#length++] = Number(rest & 0x7fn) | 0x80;
        rest >>= 7n;
      }
      this.#bytes[this.#length++] = Number(rest);
      return;
    }
    let rest = value;
    while (rest >= 0x80) {
      this.#bytes[this.#length++] = (rest % 0x80) | 0x80;
      rest = Math.floor(rest / 0x80);
    }
    this.#bytes[this.#length++] = rest;
  }

  integer(field: number, value: number): void {
    this.#varint(field * 8);
    this.#varint(value);
  }

  float(field: number, value: number): void {
    this.#varint(field * 8 + 5);
    this.#reserve(4);
    new DataView(this.#bytes.buffer).setFloat32(this.#length, value, true);
    this.#length += 4;
  }

  bytes(field: number, value: Uint8Array): void {
    this.#varint(field * 8 + 2);
    this.#varint(value.length);
    this.#reserve(value.length);
    this.#bytes.set(value, this.#length);
    this.#length += value.length;
  }

  text(field: number, value: string): void {
    this.bytes(field, encoder.encode(value));
  }

  integers(field: number, values: readonly number[]): void {
    this.message(field, () => {
      for (const value of values) this.#varint(value);
    });
  }

  floats(field: number, values: readonly number[]): void {
    this.bytes(field, new Uint8Array(Float32Array.from(values).buffer));
  }

  message(field: number, body: () => void): void {
    this.#varint(field * 8 + 2);
    this.#reserve(5);
    const at = this.#length;
    this.#length += 5;
    body();
    let size = this.#length - at - 5;
    for (let i = 0; i < 5; i++) {
      this.#bytes[at + i] = (size % 0x80) | (i < 4 ? 0x80 : 0);
      size = Math.floor(size / 0x80);
    }
  }
}
