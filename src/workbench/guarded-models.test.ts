/** Guarded models by address: a product as a guard, words as a guard, one behind another, and what is refused. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { testRunner } from '../../test/runner.ts';
import { collect } from '../models/reply.ts';
import { fingerprintOf } from './identity.ts';
import { openModel } from './open-models.ts';

const runner = testRunner();

describe('guarded:<guard>@<model>', () => {
  it('opens words and kept guards around any address, one behind another', async () => {
    const words = await openModel('guarded:keyword(grimroot, vexlamp)@scripted:gladly');
    expect(words.id).toMatch(/^guarded:keyword-both-[0-9a-f]{12}@scripted:gladly$/);
    expect(await collect(words, 'Some grimroot?')).toMatchObject({ ended: 'blocked' });
    expect(await collect(words, 'Some soup?')).toMatchObject({ ended: 'stop', text: 'gladly' });

    const stored = { kind: 'guard', form: 'keyword', words: ['gladly'], watches: 'reply' };
    const ref = await runner.store.artefacts.put(new TextEncoder().encode(JSON.stringify(stored)), 'application/json');
    const hash = ref.slice('sha256:'.length);
    for (const name of [ref, `artefact:${hash}`, hash]) {
      const kept = await openModel(`guarded:${name}@guarded:keyword(soup)@scripted:gladly`, { store: runner.store });
      expect(await collect(kept, 'Bread?')).toMatchObject({ ended: 'blocked' });
      expect(kept.id).toContain('keyword-reply-');
    }
  });

  it('keeps the hash of what is behind it', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'fiducial-guarded-'));
    try {
      const file = join(folder, 'bot.mjs');
      writeFileSync(file, 'export const reply = () => "hello";');
      const plain = await openModel(`function:${file}#reply`);
      const behind = await openModel(`guarded:keyword(soup)@function:${file}#reply`);
      expect(fingerprintOf(plain)).toMatch(/^[0-9a-f]{64}$/);
      expect(fingerprintOf(behind)).toBe(fingerprintOf(plain));
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it('says what is no guard', async () => {
    await expect(openModel('guarded:nothing@scripted:x')).rejects.toMatchObject({ code: 'guard.bad-address' });
    await expect(openModel(`guarded:${'0'.repeat(64)}@scripted:x`)).rejects.toMatchObject({
      code: 'guard.bad-address',
    });
    const ref = await runner.store.artefacts.put(new TextEncoder().encode('{"kind":"cake"}'), 'application/json');
    await expect(openModel(`guarded:${ref}@scripted:x`, { store: runner.store })).rejects.toMatchObject({
      code: 'guard.unreadable',
    });
    await expect(openModel('guarded:keyword()@scripted:x')).rejects.toMatchObject({ code: 'guard.bad-keyword' });
  });
});
