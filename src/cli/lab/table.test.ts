/** The tables of `fiducial lab`: every shipped model is in them, with the shares of its manifest and no others. */
import { describe, expect, it } from 'vitest';
import { allModels } from '../../lab/models/index.ts';
import { labLines } from './table.ts';

describe('fiducial lab', () => {
  it('prints what the manifests say', async () => {
    const models = await allModels();
    const text = labLines(models).join('\n');
    for (const { manifest } of models.values()) {
      if (manifest.kind !== 'twin') expect(text).toContain(`lab:${manifest.name}`);
    }
    const { strengths } = models.get('sycophancy')!.manifest;
    const { value, low, high, n } = strengths['agrees with a wrong opinion']!;
    expect(text).toContain(`${value.toFixed(2)} (${low.toFixed(2)} to ${high.toFixed(2)}, n ${n})`);
    expect(text).toContain('lab:attacker');
  });

  it('says where an organism missed its bars', async () => {
    const models = new Map(await allModels());
    const entry = models.get('backdoor')!;
    models.set('backdoor', { ...entry, manifest: { ...entry.manifest, isPlanted: false } });
    expect(labLines(models).find((line) => line.startsWith('lab:backdoor'))).toMatch(/not to its bars$/);
  });
});
