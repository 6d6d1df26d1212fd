/** Endpoints that lie: each gives an error with its reason, bounded in memory and time. */
import net from 'node:net';
import zlib from 'node:zlib';
import { afterEach, describe, expect, test } from 'vitest';
import { failureOf } from '../failure.ts';
import { chatChunks, chatReply, type LocalEndpoint, sendEvents, sendJson, serve } from '../local-endpoint.ts';
import type { Ask } from '../model.ts';
import { collect } from '../reply.ts';
import type { FetchLimits } from './fetch-limits.ts';
import { httpTemplate } from './http-template.ts';
import { openaiCompatible } from './vendors.ts';

const open: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of open.splice(0)) await close();
});

const ask: Ask = { messages: [{ role: 'user', content: 'hi' }] };

async function start(answer: Parameters<typeof serve>[0]): Promise<LocalEndpoint> {
  const endpoint = await serve(answer);
  open.push(endpoint.close);
  return endpoint;
}

/** A server below HTTP, which may say anything. */
async function rawServer(answer: (socket: net.Socket) => void): Promise<string> {
  const sockets = new Set<net.Socket>();
  const server = net.createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    socket.once('data', () => answer(socket));
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  open.push(async () => {
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  });
  return `http://127.0.0.1:${(server.address() as net.AddressInfo).port}`;
}

async function failure(url: string, incremental = false, limits: Partial<FetchLimits> = {}) {
  const model = await openaiCompatible(`${url}/v1`, 'm', { limits });
  return collect(model, ask, undefined, { incremental }).then(
    (reply) => {
      throw new Error(`it answered ${JSON.stringify(reply)}`);
    },
    (error: unknown) => error,
  );
}

describe('a reply that is none', () => {
  const lies: readonly [what: string, code: string, answer: Parameters<typeof serve>[0], incremental?: boolean][] = [
    [
      'JSON cut in half',
      'endpoint.not-json',
      (_, r) => sendJson(r, JSON.stringify(chatReply({ text: 'hi' })).slice(0, 60)),
    ],
    ['an empty body', 'endpoint.not-json', (_, r) => sendJson(r, '')],
    ['words instead of JSON', 'endpoint.not-json', (_, r) => sendJson(r, 'all is well')],
    ['JSON of another API', 'endpoint.wrong-shape', (_, r) => sendJson(r, { answer: 'hi' })],
    ['no choices', 'endpoint.wrong-shape', (_, r) => sendJson(r, { id: 'x', choices: [] })],
    [
      'a web page',
      'endpoint.content-type',
      (_, r) => void r.writeHead(200, { 'content-type': 'text/html' }).end('<html>Log in</html>'),
    ],
    [
      'an error with status 200',
      'endpoint.error-in-reply',
      (_, r) => sendJson(r, { error: { message: 'the model crashed' } }),
    ],
    [
      'a reply with an error beside it',
      'endpoint.error-in-reply',
      (_, r) => sendJson(r, { ...(chatReply({ text: 'hi' }) as object), error: { message: 'out of memory' } }),
    ],
    [
      'an overload with status 200',
      'endpoint.overloaded',
      (_, r) => sendJson(r, { error: { type: 'overloaded_error', message: 'Overloaded' } }),
    ],
    [
      'a failure as finish reason',
      'endpoint.error-in-reply',
      (_, r) => sendJson(r, chatReply({ text: 'hi', ended: 'error' })),
    ],
    [
      'bytes that are not UTF-8',
      'endpoint.not-utf8',
      (_, r) =>
        void r
          .writeHead(200, { 'content-type': 'application/json' })
          .end(Buffer.from([0x7b, 0x22, 0xff, 0xfe, 0x22, 0x7d])),
    ],
    ['a status of no meaning', 'endpoint.status', (_, r) => void r.writeHead(304).end()],
    [
      'an unknown encoding',
      'endpoint.encoding',
      (_, r) => void r.writeHead(200, { 'content-type': 'application/json', 'content-encoding': 'zebra' }).end('{}'),
    ],
    [
      'broken gzip',
      'endpoint.encoding',
      (_, r) =>
        void r.writeHead(200, { 'content-type': 'application/json', 'content-encoding': 'gzip' }).end('no gzip'),
    ],
    [
      'half a stream',
      'endpoint.incomplete',
      (_, r) => sendEvents(r, chatChunks({ text: 'one two three' }).slice(0, 3)),
      true,
    ],
    [
      'a stream that breaks off',
      'endpoint.reset',
      (_, r) => {
        r.writeHead(200, { 'content-type': 'text/event-stream' });
        r.write(`data: ${JSON.stringify(chatChunks({ text: 'one' })[1])}\n\n`, () => r.destroy());
      },
      true,
    ],
    ['an empty stream', 'endpoint.incomplete', (_, r) => sendEvents(r, []), true],
    [
      'a stream with broken JSON in it',
      'endpoint.not-json',
      (_, r) => sendEvents(r, [chatChunks({ text: 'one' })[1]!, '{"id":"x","choi']),
      true,
    ],
    [
      'a stream with an error in it',
      'endpoint.error-in-reply',
      (_, r) => sendEvents(r, [chatChunks({ text: 'one' })[1]!, { error: { message: 'the model crashed' } }]),
      true,
    ],
    [
      'a whole document where a stream was asked for',
      'endpoint.content-type',
      (_, r) => sendJson(r, chatReply({ text: 'hi' })),
      true,
    ],
    [
      'a stream of bytes that are not UTF-8',
      'endpoint.not-utf8',
      (_, r) => {
        r.writeHead(200, { 'content-type': 'text/event-stream' });
        r.end(Buffer.concat([Buffer.from('data: {"a":"'), Buffer.from([0xff, 0xfe]), Buffer.from('"}\n\n')]));
      },
      true,
    ],
    ['a connection closed in place of an answer', 'endpoint.reset', (_, r) => void r.destroy()],
  ];
  for (const [what, code, answer, incremental] of lies) {
    test(`${what}: ${code}`, async () => {
      const { url } = await start(answer);
      expect(await failure(url, incremental)).toMatchObject({ name: 'FiducialError', code });
    });
  }

  test('a status says whether to ask again', async () => {
    const { url } = await start((_, response, index) =>
      sendJson(
        response,
        { error: { message: 'no' } },
        [400, 401, 403, 404, 408, 409, 422, 429, 500, 501, 502, 503, 529][index],
      ),
    );
    const seen: Record<number, string> = {};
    for (let i = 0; i < 13; i++) {
      const error = await failure(url);
      const { status, retriable, overloaded } = failureOf(error);
      seen[status!] = `${(error as { code: string }).code}${retriable ? ' again' : ''}${overloaded ? ' slower' : ''}`;
    }
    expect(seen).toEqual({
      400: 'endpoint.rejected',
      401: 'endpoint.unauthorised',
      403: 'endpoint.unauthorised',
      404: 'endpoint.not-found',
      408: 'endpoint.unavailable again',
      409: 'endpoint.unavailable again',
      422: 'endpoint.rejected',
      429: 'endpoint.overloaded again slower',
      500: 'endpoint.unavailable again',
      501: 'endpoint.rejected',
      502: 'endpoint.unavailable again',
      503: 'endpoint.unavailable again slower',
      529: 'endpoint.overloaded again slower',
    });
  });

  test('an account without credit is not asked again', async () => {
    const { url } = await start((_, response) =>
      sendJson(response, { error: { message: 'No credit', code: 'insufficient_quota' } }, 429),
    );
    const error = await failure(url);
    expect(error).toMatchObject({ code: 'endpoint.out-of-credit' });
    expect(failureOf(error).retriable).toBe(false);
  });
});

describe('redirects', () => {
  test('to another host carry neither the key nor the prompt there', async () => {
    const other = await start((_, response) => sendJson(response, chatReply({ text: 'stolen' })));
    for (const status of [301, 302, 303, 307, 308]) {
      const { url } = await start(
        (_, response) => void response.writeHead(status, { location: `${other.url}/v1/chat/completions?q=1` }).end(),
      );
      expect(await failure(url)).toMatchObject({
        code: 'endpoint.redirect',
        message: expect.stringContaining(other.url) as string,
      });
    }
    expect(other.requests).toHaveLength(0);
  });
  test('inside the same origin that keep the method are followed, not for ever', async () => {
    const { url } = await start((request, response) =>
      request.path === '/v1/chat/completions'
        ? void response.writeHead(308, { location: '/moved' }).end()
        : sendJson(response, chatReply({ text: 'here' })),
    );
    expect((await collect(await openaiCompatible(`${url}/v1`, 'm'), ask)).text).toBe('here');
    const loop = await start((request, response) => void response.writeHead(307, { location: request.path }).end());
    expect(await failure(loop.url)).toMatchObject({ code: 'endpoint.redirect' });
    expect(loop.requests.length).toBeLessThan(6);
  });
});

/** Bytes that this thread holds: its heap, and buffers outside it. The process's own figure counts other threads too. */
function held(): number {
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

describe('a gigabyte', () => {
  const gigabyte = 1024 ** 3;
  const block = Buffer.alloc(1024 * 1024, 'a');
  const lines = Buffer.from(': keep-alive\n\n'.repeat(75_000));
  /** Writes a gigabyte as fast as it is taken. */
  const pour =
    (head: string, sent: { bytes: number }, piece = block) =>
    (socket: net.Socket) => {
      socket.write(head);
      const more = () => {
        while (sent.bytes < gigabyte && !socket.destroyed) {
          sent.bytes += piece.length;
          if (!socket.write(piece)) {
            socket.once('drain', more);
            return;
          }
        }
      };
      more();
    };
  const cases: readonly [what: string, head: string, incremental: boolean, piece?: typeof block][] = [
    ['in one document', 'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n{"a":"', false],
    [
      'announced by its length',
      `HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: ${gigabyte}\r\n\r\n{"a":"`,
      false,
    ],
    ['in one line of a stream', 'HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\ndata: ', true],
    ['in the comments of a stream', 'HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n', true, lines],
  ];
  for (const [what, head, incremental, piece] of cases) {
    test(`${what} is cut off, and memory stays bounded`, async () => {
      const sent = { bytes: 0 };
      const url = await rawServer(pour(head, sent, piece));
      const before = held();
      let most = before;
      const watch = setInterval(() => {
        most = Math.max(most, held());
      }, 5);
      const error = await failure(url, incremental);
      clearInterval(watch);
      most = Math.max(most, held());
      expect(error).toMatchObject({ code: 'endpoint.too-large' });
      expect(sent.bytes).toBeLessThan(gigabyte / 4);
      // The cap is 32 MiB; the server in this same process holds as much again in its socket.
      expect((most - before) / 1024 ** 2).toBeLessThan(200);
    });
  }
  test('of an error message is cut, and the status still counts', async () => {
    const sent = { bytes: 0 };
    const url = await rawServer(pour('HTTP/1.1 500 Oops\r\ncontent-type: text/plain\r\n\r\n', sent));
    expect(await failure(url)).toMatchObject({ code: 'endpoint.unavailable' });
    expect(sent.bytes).toBeLessThan(gigabyte / 4);
  });
  test('of zeros, compressed into a megabyte, is not unpacked', async () => {
    const bomb = zlib.gzipSync(Buffer.alloc(64 * 1024 ** 2, '{'), { level: 1 });
    expect(bomb.length).toBeLessThan(1024 ** 2);
    const { url } = await start(
      (_, response) =>
        void response.writeHead(200, { 'content-type': 'application/json', 'content-encoding': 'gzip' }).end(bomb),
    );
    const before = held();
    expect(await failure(url)).toMatchObject({ code: 'endpoint.too-large' });
    expect((held() - before) / 1024 ** 2).toBeLessThan(200);
  });
});

describe('time and headers', () => {
  test('an honest compressed reply is read', async () => {
    for (const [name, pack] of [
      ['gzip', zlib.gzipSync],
      ['deflate', zlib.deflateSync],
      ['br', zlib.brotliCompressSync],
    ] as const) {
      const { url } = await start(
        (_, response) =>
          void response
            .writeHead(200, { 'content-type': 'application/json', 'content-encoding': name })
            .end(pack(JSON.stringify(chatReply({ text: name })))),
      );
      expect((await collect(await openaiCompatible(`${url}/v1`, 'm'), ask)).text).toBe(name);
    }
  });
  test('a header bomb', async () => {
    const url = await rawServer((socket) => {
      socket.write('HTTP/1.1 200 OK\r\n');
      for (let i = 0; i < 4000; i++) socket.write(`x-${i}: ${'b'.repeat(100)}\r\n`);
      socket.end('\r\n{}');
    });
    expect(await failure(url)).toMatchObject({ code: 'endpoint.headers' });
  });
  test('something that is not HTTP', async () => {
    const url = await rawServer((socket) => void socket.end('SSH-2.0-OpenSSH_9\r\n'));
    expect(await failure(url)).toMatchObject({ code: 'endpoint.not-http' });
  });
  test('nobody there', async () => {
    const { url, close } = await serve(() => {});
    await close();
    const error = await failure(url);
    expect(error).toMatchObject({ code: 'endpoint.unreachable' });
    expect(failureOf(error)).toMatchObject({ retriable: true, maybeBilled: false });
  });
  const drip =
    (head: string, ms = 5) =>
    (socket: net.Socket) => {
      socket.write(head);
      const timer = setInterval(() => socket.write('x'), ms);
      socket.on('close', () => clearInterval(timer));
    };
  test('a connection that is taken and never secured', async () => {
    const url = await rawServer(() => {});
    const error = await failure(url.replace('http:', 'https:'), false, { connectMs: 50 });
    expect(error).toMatchObject({
      code: 'endpoint.timeout',
      hint: expect.stringContaining('connectMs') as string,
    });
    expect(failureOf(error)).toMatchObject({ retriable: true, maybeBilled: false });
  });
  test('silence before the headers', async () => {
    const url = await rawServer(() => {});
    expect(await failure(url, false, { headersMs: 50 })).toMatchObject({
      code: 'endpoint.timeout',
      hint: expect.stringContaining('headersMs') as string,
    });
  });
  test('headers, one byte at a time', async () => {
    const url = await rawServer(drip('HTTP/1.1 200 OK\r\nx-slow: '));
    expect(await failure(url, false, { headersMs: 80 })).toMatchObject({ code: 'endpoint.timeout' });
  });
  test('silence in the middle of the body', async () => {
    const url = await rawServer(
      (socket) => void socket.write('HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n{"a'),
    );
    expect(await failure(url, false, { idleMs: 50 })).toMatchObject({
      code: 'endpoint.timeout',
      hint: expect.stringContaining('idleMs') as string,
    });
  });
  for (const incremental of [false, true]) {
    test(`a body, one byte at a time, ${incremental ? 'streamed' : 'whole'}`, async () => {
      const type = incremental ? 'text/event-stream' : 'application/json';
      const url = await rawServer(drip(`HTTP/1.1 200 OK\r\ncontent-type: ${type}\r\n\r\n{`));
      const error = await failure(url, incremental, { idleMs: 1000, totalMs: 150 });
      expect(error).toMatchObject({ code: 'endpoint.timeout', hint: expect.stringContaining('totalMs') as string });
      expect(failureOf(error).retriable).toBe(false);
    });
  }
  test('the same fetch guards a template', async () => {
    const { url } = await start(
      (_, response) =>
        void response.writeHead(200, { 'content-type': 'application/json' }).end(Buffer.alloc(2_000_000, '[')),
    );
    const model = httpTemplate({ name: 'bot', url, reply: 'a' }, { limits: { maxBytes: 1_000_000 } });
    await expect(collect(model, ask)).rejects.toMatchObject({ code: 'endpoint.too-large' });
  });
});
