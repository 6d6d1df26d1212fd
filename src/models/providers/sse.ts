/**
 * Reading server-sent events (WHATWG HTML, section 9.2.6) and JSON lines from a byte stream: the data of each event.
 *
 * Only `data` counts here; names, ids, retry times and comments are skipped. A stream without a single `data:` line is
 * taken as JSON lines, which many product endpoints send under either content type. The bytes are bounded and checked
 * as UTF-8 by the fetch they come from.
 */

/** @example for await (const data of readEvents(response.body)) JSON.parse(data); */
export async function* readEvents(bytes: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  const utf8 = new TextDecoder();
  const reader = bytes.getReader();
  let rest = '';
  let data: string[] = [];
  let isEventStream = false;
  const take = function* (line: string): Generator<string> {
    if (line === '') {
      if (data.length > 0) yield data.join('\n');
      data = [];
    } else if (line.startsWith('data:')) {
      isEventStream = true;
      data.push(line.slice(line.startsWith('data: ') ? 6 : 5));
    } else if (!isEventStream && /^[{["]/.test(line)) yield line;
  };
  try {
    for (;;) {
      const { done, value } = await reader.read();
      rest += done ? utf8.decode() : utf8.decode(value, { stream: true });
      const lines = rest.split(/\r\n|\n|\r(?!$)/);
      rest = lines.pop() ?? '';
      for (const line of lines) yield* take(line);
      if (!done) continue;
      // The standard drops an unfinished last event; endpoints that forget the last blank line are common.
      yield* take(rest.replace(/\r$/, ''));
      yield* take('');
      return;
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}
