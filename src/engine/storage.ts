/**
 * Where the values of a concrete array are: in JavaScript memory, on a device, or in a file that is read by
 * reference. A storage knows nothing of graphs; {@link Tensor} (graph.ts) pairs it with a shape.
 */
import { FiducialError } from '../core/errors.ts';
import type { Data } from './dtype.ts';

/** Bytes inside a file, for example one tensor of a safetensors file: weights that are never copied to JavaScript. */
export interface FileRegion {
  /** Absolute path. */
  readonly path: string;
  readonly byteOffset: number;
  readonly byteLength: number;
}

/** A tensor that the runtime holds; opaque here, so that only session.ts knows ONNX Runtime. */
export interface RuntimeHandle {
  dispose(): void;
}

export class Storage {
  /** Values in JavaScript memory, if they are there. */
  host: Data | undefined;
  /** Values in a file, if they are there. */
  readonly file: FileRegion | undefined;
  /** The runtime's own wrapper: over `host` on the CPU, a device buffer elsewhere. */
  handle: RuntimeHandle | undefined;
  readonly device: string;
  #gone: string | undefined;

  constructor(parts: { host?: Data; file?: FileRegion; handle?: RuntimeHandle; device: string }) {
    this.host = parts.host;
    this.file = parts.file;
    this.handle = parts.handle;
    this.device = parts.device;
  }

  get isGone(): boolean {
    return this.#gone !== undefined;
  }

  /** Throws `engine.disposed` when the values were freed or given away. */
  requireAlive(what: string): void {
    if (this.#gone === undefined) return;
    throw new FiducialError(
      'engine.disposed',
      `${what}: ${this.#gone}`,
      'Use the array that the call returned, or copy it first with clone().',
    );
  }

  /** Frees the values; `reason` is what a later use will be told. */
  release(reason: string): void {
    if (this.#gone !== undefined) return;
    this.#gone = reason;
    this.host = undefined;
    if (this.device !== 'cpu') this.handle?.dispose();
    this.handle = undefined;
  }

  /** Hands the values to a new storage; this one counts as gone. */
  moveOut(reason: string): Storage {
    const moved = new Storage({
      ...(this.host === undefined ? {} : { host: this.host }),
      ...(this.handle === undefined ? {} : { handle: this.handle }),
      device: this.device,
    });
    this.#gone = reason;
    this.host = undefined;
    this.handle = undefined;
    return moved;
  }
}
