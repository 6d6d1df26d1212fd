/** Zip archives, against files that another program wrote, and with the damage that archives meet. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { createZip, openZip } from './zip.ts';

const folder = mkdtempSync(join(tmpdir(), 'fiducial-zip-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/* Made by Python 3.11 with this program, once as it stands and once with ZIP_BZIP2 for t:

import zipfile, base64, io
def make(t=zipfile.ZIP_DEFLATED):
    b = io.BytesIO()
    z = zipfile.ZipFile(b, 'w')
    for name, data in [('a.txt', 'hello ' * 50), ('dir/ü.json', '{"n": 1}')]:
        i = zipfile.ZipInfo(name, (2026, 1, 1, 0, 0, 0)); i.compress_type = t
        with z.open(i, 'w', force_zip64=True) as f: f.write(data.encode())
    z.comment = b'a comment'
    z.close()
    return base64.b64encode(b.getvalue()).decode()
*/
const deflated =
  'UEsDBBQAAAAIAAAAIVzBSEJZDAAAACwBAAAFABQAYS50eHQBABAALAEAAAAAAAAMAAAAAAAAAMtIzcnJV8gYJYkgAVBLAwQUAAAICAAAACFcQjz3CgoAAAAIAAAACwAUAGRpci/DvC5qc29uAQAQAAgAAAAAAAAACgAAAAAAAACrVspTslIwrAUAUEsBAhQDFAAAAAgAAAAhXMFIQlkMAAAALAEAAAUAAAAAAAAAAAAAAIABAAAAAGEudHh0UEsBAhQDFAAACAgAAAAhXEI89woKAAAACAAAAAsAAAAAAAAAAAAAAIABQwAAAGRpci/DvC5qc29uUEsFBgAAAAACAAIAbAAAAIoAAAAJAGEgY29tbWVudA==';
const bzipped =
  'UEsDBC4AAAAMAAAAIVzBSEJZMAAAACwBAAAFABQAYS50eHQBABAALAEAAAAAAAAwAAAAAAAAAEJaaDkxQVkmU1kP9MncAABKkQBAAAJEoAAgpUYGaDUWIvosRaRcLuSKcKEgH+mTuFBLAwQuAAAIDAAAACFcQjz3Ci8AAAAIAAAACwAUAGRpci/DvC5qc29uAQAQAAgAAAAAAAAALwAAAAAAAABCWmg5MUFZJlNZTtUj0QAAAxmAUAAgEAABAAogACIYAhgE4n1uF3JFOFCQTtUj0VBLAQIuAy4AAAAMAAAAIVzBSEJZMAAAACwBAAAFAAAAAAAAAAAAAACAAQAAAABhLnR4dFBLAQIuAy4AAAgMAAAAIVxCPPcKLwAAAAgAAAALAAAAAAAAAAAAAACAAWcAAABkaXIvw7wuanNvblBLBQYAAAAAAgACAGwAAADTAAAACQBhIGNvbW1lbnQ=';

function place(name: string, bytes: Uint8Array): string {
  const path = join(folder, name);
  writeFileSync(path, bytes);
  return path;
}

const text = async (path: string, name: string) => {
  const zip = await openZip(path);
  try {
    return Buffer.from(await zip.read(name)).toString();
  } finally {
    await zip.close();
  }
};

describe('zip archives', () => {
  it('reads what another program wrote, with 64-bit headers, a comment and names in UTF-8', async () => {
    const path = place('python.zip', Buffer.from(deflated, 'base64'));
    expect(await text(path, 'a.txt')).toBe('hello '.repeat(50));
    expect(await text(path, 'dir/ü.json')).toBe('{"n": 1}');
    await expect(text(path, 'absent')).rejects.toMatchObject({ code: 'store.bad-archive' });
  });

  it('refuses a compression that it cannot read by its name', async () => {
    await expect(text(place('bzip.zip', Buffer.from(bzipped, 'base64')), 'a.txt')).rejects.toThrow('BZIP2');
    const bytes = Buffer.from(bzipped, 'base64');
    // The same archive, said to be Zstandard in its directory (its first entry's method is the 11th byte).
    bytes[bytes.indexOf('PK\u0001\u0002') + 10] = 93;
    const isReadable = 'zstdDecompressSync' in (await import('node:zlib'));
    await expect(text(place('zstd.zip', bytes), 'a.txt')).rejects.toThrow(
      isReadable ? 'cannot be expanded' : 'Zstandard',
    );
  });

  it('writes more entries than 16 bits count, and the same bytes for the same content', async () => {
    const hashes: string[] = [];
    for (const name of ['one.zip', 'two.zip']) {
      const zip = await createZip(join(folder, name));
      await zip.add('large', 'fiducial '.repeat(10_000));
      for (let i = 0; i < 65_540; i++) await zip.add(`n/${i}`, i % 100 === 0 ? String(i) : '');
      hashes.push((await zip.finish()).sha256);
    }
    expect(hashes[0]).toBe(hashes[1]);
    const zip = await openZip(join(folder, 'one.zip'));
    expect(zip.entries.size).toBe(65_541);
    expect(Buffer.from(await zip.read('n/65500')).toString()).toBe('65500');
    expect(Buffer.from(await zip.read('large')).toString()).toBe('fiducial '.repeat(10_000));
    await zip.close();
  });

  it('notices every changed byte of an entry, a cut, and an entry that expands beyond its declared size', async () => {
    const bytes = Buffer.from(deflated, 'base64');
    const data = bytes.indexOf('a.txt') + 5 + 20;
    for (let at = data; at < data + 12; at++) {
      const copy = Buffer.from(bytes);
      copy[at]! ^= 0x10;
      await expect(text(place('changed.zip', copy), 'a.txt')).rejects.toMatchObject({ code: 'store.bad-archive' });
    }
    for (const length of [0, 10, 100, bytes.length - 40]) {
      await expect(text(place('cut.zip', bytes.subarray(0, length)), 'a.txt')).rejects.toMatchObject({
        code: 'store.bad-archive',
      });
    }
    const bomb = Buffer.from(bytes);
    bomb.writeUInt32LE(10, bomb.indexOf('PK\u0001\u0002') + 24);
    await expect(text(place('bomb.zip', bomb), 'a.txt')).rejects.toMatchObject({ code: 'store.bad-archive' });
  });
});
