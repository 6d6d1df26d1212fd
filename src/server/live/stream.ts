/**
 * Chunks of bytes as a response of server-sent events, made only as fast as the client takes them.
 */

/**
 * @param chunks asked for the next one only when the last was taken; returned when the client goes away
 * @param onEnd called once
 */
export function pulledStream(
  chunks: AsyncGenerator<Uint8Array, void, undefined>,
  control: AbortController,
  onEnd: (error?: unknown) => void = () => {},
): Response {
  let hasEnded = false;
  const end = (error?: unknown): void => {
    if (hasEnded) return;
    hasEnded = true;
    control.abort(new Error('the stream is over'));
    onEnd(error);
  };
  const stream = new ReadableStream<Uint8Array>(
    {
      async pull(sink) {
        try {
          const next = await chunks.next();
          if (next.done !== true) return sink.enqueue(next.value);
          sink.close();
          end();
        } catch (error) {
          if (!hasEnded) sink.error(error);
          end(error);
        }
      },
      async cancel() {
        end();
        await chunks.return();
      },
    },
    { highWaterMark: 0 },
  );
  return new Response(stream, {
    headers: {
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-store',
      'x-accel-buffering': 'no',
    },
  });
}
