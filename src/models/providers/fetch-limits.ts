/**
 * How long an endpoint may take and how much it may send before a call fails with that reason.
 *
 * Generous enough for the slowest honest reply, a reasoning model that answers in one piece; a user lowers or raises
 * each in a model's options. Needs nothing.
 */
export interface FetchLimits {
  /** Until the connection stands, TLS included. @default 10_000 */
  readonly connectMs: number;
  /** Until the response's headers are complete. @default 300_000 */
  readonly headersMs: number;
  /** Between two pieces of the body. @default 60_000 */
  readonly idleMs: number;
  /** For the whole exchange; ends an endpoint that sends one byte at a time for ever. @default 600_000 */
  readonly totalMs: number;
  /** Of the body, after decompression. @default 32 MiB */
  readonly maxBytes: number;
  /** Of one line of a stream. @default 4 MiB */
  readonly maxLineBytes: number;
  /** Of the response's headers. @default 32 KiB */
  readonly maxHeaderBytes: number;
}

export const defaultLimits: FetchLimits = {
  connectMs: 10_000,
  headersMs: 300_000,
  idleMs: 60_000,
  totalMs: 600_000,
  maxBytes: 32 * 1024 * 1024,
  maxLineBytes: 4 * 1024 * 1024,
  maxHeaderBytes: 32 * 1024,
};
