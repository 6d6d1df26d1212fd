/** Bytes on their way in. `settle` puts a file at its place, under the write lock. */
export interface ArtefactWrite {
  readonly hex: string;
  /** Null where they are a file. */
  readonly bytes: Uint8Array | null;
  readonly size: number;
  readonly type: string;
  readonly place: 'row' | 'file' | 'chunks';
  readonly mentions: readonly string[];
  /** The run whose transcript it is. */
  readonly transcriptOf?: number;
  readonly settle?: () => void;
}
