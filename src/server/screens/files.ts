/**
 * The built screens from their folder: read once, served from memory under their own names, nothing else reachable.
 */
import { readdir, readFile } from 'node:fs/promises';
import { join, relative, sep } from 'node:path';
import { gzipSync } from 'node:zlib';
import { FiducialError, show } from '../../core/errors.ts';

interface Kept {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly zipped: Uint8Array<ArrayBuffer>;
  readonly type: string;
  readonly isNamedByContent: boolean;
}

export interface Screens {
  /** The file at a path, or the page for any other: addresses inside the application are its own. */
  answer(path: string, takesGzip: boolean): Response | undefined;
}

/** @throws FiducialError `server.no-screens` where the folder holds none */
export async function readScreens(folder: string): Promise<Screens> {
  const files = new Map<string, Kept>();
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => []);
  for (const entry of entries) {
    if (!entry.isFile()) continue;
    const path = relative(folder, join(entry.parentPath, entry.name)).split(sep).join('/');
    const type = types[path.slice(path.lastIndexOf('.') + 1)];
    if (type === undefined) continue;
    const bytes = new Uint8Array(await readFile(join(folder, path)));
    files.set(`/${path}`, {
      bytes,
      zipped: new Uint8Array(gzipSync(bytes)),
      type,
      isNamedByContent: path.startsWith('assets/'),
    });
  }
  const page = files.get('/index.html');
  if (page === undefined) {
    throw new FiducialError(
      'server.no-screens',
      `The screens are not in ${show(folder)}`,
      'In a clone, npm run build:web makes them; in an installed package, install it again.',
    );
  }
  return {
    answer(path, takesGzip) {
      const file = files.get(path) ?? (path.startsWith('/assets/') ? undefined : page);
      if (file === undefined) return undefined;
      return new Response(takesGzip ? file.zipped : file.bytes, {
        headers: {
          'content-type': file.type,
          'cache-control': file.isNamedByContent ? 'private, max-age=31536000, immutable' : 'no-store',
          vary: 'accept-encoding',
          ...(takesGzip ? { 'content-encoding': 'gzip' } : {}),
        },
      });
    },
  };
}

const types: Readonly<Record<string, string>> = {
  html: 'text/html; charset=utf-8',
  js: 'text/javascript; charset=utf-8',
  css: 'text/css; charset=utf-8',
  svg: 'image/svg+xml',
  json: 'application/json',
  woff2: 'font/woff2',
};
