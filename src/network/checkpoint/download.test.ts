import { createHash } from 'node:crypto';
import { mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { downloadModel, type DownloadProgress } from './download.ts';
import { openCheckpoint } from './folder.ts';
import { readTensor, writeSafetensors } from './safetensors.ts';

const COMMIT = '0123456789abcdef0123456789abcdef01234567';
const VALUES = Float32Array.from({ length: 700_000 }, (_, i) => i);

/** A hub with one model, speaking the routes that are asked: model info, tree, resolve with ranges. */
interface FakeHub {
  readonly url: string;
  readonly server: Server;
  readonly files: Map<string, Buffer>;
  readonly ranges: string[];
  /** Cuts the next large answer after this many bytes. */
  cutAfter: number | undefined;
  /** Flips a byte of the weights on their way. */
  corrupts: boolean;
}

let root = '';
let hub: FakeHub;

async function startHub(files: Map<string, Buffer>): Promise<FakeHub> {
  const state = { files, ranges: [] as string[], cutAfter: undefined as number | undefined, corrupts: false };
  const server = createServer((request, response) => {
    const path = decodeURIComponent((request.url ?? '').split('?')[0]!);
    const json = (body: unknown): void => {
      response.setHeader('content-type', 'application/json').end(JSON.stringify(body));
    };
    if (path === '/api/models/org/tiny/revision/main') {
      json({ _id: '1', id: 'org/tiny', sha: COMMIT, lastModified: '2024-01-01T00:00:00Z' });
    } else if (path.startsWith(`/api/models/org/tiny/tree/${COMMIT}`)) {
      json(
        [...files].map(([name, bytes]) => ({
          type: 'file',
          path: name,
          size: bytes.length,
          oid: createHash('sha1').update(`blob ${bytes.length}\0`).update(bytes).digest('hex'),
          ...(name.endsWith('.safetensors')
            ? { lfs: { oid: createHash('sha256').update(bytes).digest('hex'), size: bytes.length, pointerSize: 100 } }
            : {}),
        })),
      );
    } else if (path.startsWith(`/org/tiny/resolve/${COMMIT}/`)) {
      const name = path.slice(`/org/tiny/resolve/${COMMIT}/`.length);
      const bytes = Buffer.from(files.get(name)!);
      if (state.corrupts && name.endsWith('.safetensors')) bytes[bytes.length - 1]! ^= 1;
      const [, from = '0', to = ''] = /bytes=(\d+)-(\d*)/.exec(request.headers.range ?? '') ?? [];
      const start = Number(from);
      const end = to === '' ? bytes.length - 1 : Math.min(Number(to), bytes.length - 1);
      if (end > start) state.ranges.push(`${name} ${start}`);
      response.statusCode = request.headers.range === undefined ? 200 : 206;
      response.setHeader('etag', '"e"');
      response.setHeader('content-range', `bytes ${start}-${end}/${bytes.length}`);
      response.setHeader('content-length', end - start + 1);
      const body = bytes.subarray(start, end + 1);
      if (state.cutAfter !== undefined && body.length > state.cutAfter) {
        response.write(body.subarray(0, state.cutAfter), () => setTimeout(() => response.destroy(), 50));
        state.cutAfter = undefined;
      } else response.end(body);
    } else {
      response.statusCode = 404;
      json({ error: 'Repository not found' });
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address() as AddressInfo;
  return Object.assign(state, { server, url: `http://127.0.0.1:${address.port}` });
}

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'download-'));
  const weights = join(root, 'source.safetensors');
  await writeSafetensors(weights, [{ name: 'w', dtype: 'F32', shape: [VALUES.length], data: VALUES }]);
  hub = await startHub(
    new Map([
      ['config.json', Buffer.from('{"model_type":"gpt2"}')],
      ['model.safetensors', await readFile(weights)],
      ['pytorch_model.bin', Buffer.from('pickle')],
    ]),
  );
});
afterEach(async () => {
  hub.server.closeAllConnections();
  await new Promise((resolve) => hub.server.close(resolve));
  await rm(root, { recursive: true });
});

const get = (onProgress?: (progress: DownloadProgress) => void): Promise<string> =>
  downloadModel('org/tiny', {
    hubUrl: hub.url,
    cacheFolder: join(root, 'cache'),
    ...(onProgress === undefined ? {} : { onProgress }),
  });

const blobs = (): Promise<string[]> => readdir(join(root, 'cache', 'models--org--tiny', 'blobs'));

describe('downloads', () => {
  test('a model arrives in the cache layout, opens by its id, and is not asked for twice', async () => {
    const seen: DownloadProgress[] = [];
    const folder = await get((progress) => seen.push(progress));
    expect(folder).toBe(join(root, 'cache', 'models--org--tiny', 'snapshots', COMMIT));
    expect(await readdir(folder)).toEqual(['config.json', 'model.safetensors']);
    const { tensors, config } = await openCheckpoint('org/tiny', { cacheFolder: join(root, 'cache') });
    expect(config).toEqual({ model_type: 'gpt2' });
    expect(Buffer.from(VALUES.buffer).equals(await readTensor(tensors.get('w')!))).toBe(true);
    const last = seen.at(-1)!;
    expect(last.doneBytes).toBe(last.totalBytes);
    expect(seen.map(({ doneBytes }) => doneBytes)).toEqual(
      seen.map(({ doneBytes }) => doneBytes).sort((a, b) => a - b),
    );
    const before = hub.ranges.length;
    await get();
    expect(hub.ranges.length).toBe(before);
  });

  test('an interrupted download keeps what it has and goes on from there', async () => {
    hub.cutAfter = 1_500_000;
    await expect(get()).rejects.toMatchObject({ code: 'checkpoint.download' });
    await expect(openCheckpoint('org/tiny', { cacheFolder: join(root, 'cache') })).rejects.toThrow(/neither a folder/);
    expect((await blobs()).some((name) => name.endsWith('.incomplete'))).toBe(true);
    await get();
    const starts = hub.ranges.filter((range) => range.startsWith('model')).map((range) => Number(range.split(' ')[1]));
    expect(starts.at(-1)).toBeGreaterThan(0);
    const { tensors } = await openCheckpoint('org/tiny', { cacheFolder: join(root, 'cache') });
    expect(Buffer.from(VALUES.buffer).equals(await readTensor(tensors.get('w')!))).toBe(true);
    expect((await blobs()).some((name) => name.endsWith('.incomplete'))).toBe(false);
  });

  test('a corrupted file is refused and does not stay', async () => {
    hub.corrupts = true;
    await expect(get()).rejects.toMatchObject({ code: 'checkpoint.checksum' });
    expect((await blobs()).length).toBe(1);
    hub.corrupts = false;
    await get();
  });

  test('a partial file that is not the beginning of the right one is found out', async () => {
    await get();
    const name = (await blobs()).find((blob) => blob.length === 64)!;
    const blob = join(root, 'cache', 'models--org--tiny', 'blobs', name);
    await rm(blob);
    await writeFile(`${blob}.incomplete`, Buffer.alloc(1000));
    await expect(get()).rejects.toMatchObject({ code: 'checkpoint.checksum' });
    await get();
  });

  test('an unknown model, a bad name and a model without safetensors are named', async () => {
    const options = { hubUrl: hub.url, cacheFolder: root };
    await expect(downloadModel('org/none', options)).rejects.toThrow(/org\/none can't be downloaded/);
    await expect(downloadModel('../x', options)).rejects.toThrow(/not a repository id/);
    hub.files.delete('model.safetensors');
    await expect(get()).rejects.toMatchObject({ code: 'checkpoint.pickled' });
  });
});
