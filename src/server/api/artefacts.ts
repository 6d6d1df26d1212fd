/**
 * Bytes by their content, always as a download: what a model or a method wrote is never a page of this server.
 */
import { Hono } from 'hono';
import type { Ref } from '../../core/values.ts';
import type { ServerEnv } from '../access/gate.ts';
import { statusError } from './errors.ts';
import type { ApiParts } from './parts.ts';

export const artefactRoutes = ({ store }: ApiParts) =>
  new Hono<ServerEnv>().get('/:digits', async (context) => {
    const digits = context.req.param('digits');
    if (!/^[0-9a-f]{64}$/.test(digits)) throw statusError(404, 'store.missing', 'There is no such artefact', '');
    const ref: Ref = `sha256:${digits}`;
    const info = await store.artefacts.info(ref);
    const bytes = await store.artefacts.get(ref);
    const ending = endings[info?.type ?? ''] ?? 'bin';
    return context.body(bytes as Uint8Array<ArrayBuffer>, 200, {
      'content-type': 'application/octet-stream',
      'content-disposition': `attachment; filename="${digits.slice(0, 16)}.${ending}"`,
      'cache-control': 'private, max-age=31536000, immutable',
    });
  });

const endings: Readonly<Record<string, string>> = {
  'application/json': 'json',
  'application/jsonl': 'jsonl',
  'text/plain': 'txt',
  'text/csv': 'csv',
};
