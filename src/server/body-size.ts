/**
 * Refuses bodies that are too large: by their declared length before they are read, else while they come in.
 *
 * Hono's own limit makes a new Request of the one at hand, which the native constructor refuses for the light requests
 * of its Node server: a body that comes in chunks would be answered with 500.
 */
import type { MiddlewareHandler } from 'hono';

/** @param refuse what is answered for a body above `most` bytes */
export function bodySize(most: number, refuse: () => Response): MiddlewareHandler {
  return async (context, next) => {
    const { req } = context;
    const isChunked = req.header('transfer-encoding') !== undefined;
    if (!isChunked && Number(req.header('content-length') ?? 0) > most) return refuse();
    if (isChunked && req.raw.body !== null) {
      const chunks: Uint8Array[] = [];
      let bytes = 0;
      // Cancelled by leaving the loop.
      for await (const chunk of req.raw.body) {
        bytes += chunk.length;
        if (bytes > most) return refuse();
        chunks.push(chunk);
      }
      const whole = Buffer.concat(chunks);
      const buffer = whole.buffer.slice(whole.byteOffset, whole.byteOffset + whole.length);
      // Kept as Hono keeps what it has read itself: a promise.
      Object.assign(req.bodyCache, { arrayBuffer: Promise.resolve(buffer) });
    }
    await next();
  };
}
