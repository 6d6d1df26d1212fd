import { cp, mkdir, mkdtemp, readFile, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { isAdapterFolder, openAdapter, openCheckpoint } from './folder.ts';
import { hubCacheFolder, resolveModel } from './hub-cache.ts';
import { readFloat32, writeSafetensors, type TensorToWrite } from './safetensors.ts';
import { hashCheckpoint, saveAdapter, saveCheckpoint } from './save.ts';

let root = '';
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'checkpoint-'));
});
afterEach(() => rm(root, { recursive: true }));

const tensor = (name: string, ...values: number[]): TensorToWrite => ({
  name,
  dtype: 'F32',
  shape: [values.length],
  data: Float32Array.from(values),
});
const THREE = [tensor('a', 1, 2), tensor('b', 3, 4), tensor('c', 5)];

describe('model folders', () => {
  test('a saved model opens again with its values, in one file or in shards', async () => {
    for (const shardBytes of [1000, 16, 8]) {
      const folder = join(root, `model-${shardBytes}`);
      await saveCheckpoint(folder, { config: { model_type: 'gpt2' }, tensors: THREE, shardBytes });
      const opened = await openCheckpoint(folder);
      expect(opened.config).toEqual({ model_type: 'gpt2' });
      expect(opened.weightFiles.length).toBe({ 1000: 1, 16: 2, 8: 3 }[shardBytes]);
      expect([...(await readFloat32(opened.tensors.get('b')!))]).toEqual([3, 4]);
      expect(opened.tensors.size).toBe(3);
    }
    expect(await readdir(join(root, 'model-16'))).toEqual([
      'config.json',
      'model-00001-of-00002.safetensors',
      'model-00002-of-00002.safetensors',
      'model.safetensors.index.json',
    ]);
    expect((await readdir(root)).filter((name) => name.startsWith('.'))).toEqual([]);
  });

  test('a folder is replaced only when asked, and a failure leaves the old one', async () => {
    const folder = join(root, 'm');
    await saveCheckpoint(folder, { config: { v: 1 }, tensors: THREE });
    await expect(saveCheckpoint(folder, { config: {}, tensors: THREE })).rejects.toMatchObject({
      code: 'checkpoint.exists',
    });
    const failing: TensorToWrite = {
      ...tensor('z', 1),
      data: () => {
        throw new Error('planted');
      },
    };
    await expect(saveCheckpoint(folder, { config: {}, tensors: [failing], overwrite: true })).rejects.toThrow(
      'planted',
    );
    expect((await openCheckpoint(folder)).config).toEqual({ v: 1 });
    await saveCheckpoint(folder, { config: { v: 2 }, tensors: THREE, overwrite: true });
    expect((await openCheckpoint(folder)).config).toEqual({ v: 2 });
    expect(await readdir(root)).toEqual(['m']);
  });

  test('tokenizer files travel along; templates and configurations are found', async () => {
    const base = join(root, 'base');
    await mkdir(base);
    await writeFile(join(base, 'tokenizer.json'), '{}');
    await writeFile(
      join(base, 'tokenizer_config.json'),
      JSON.stringify({
        chat_template: [
          { name: 'rag', template: 'R' },
          { name: 'default', template: 'D' },
        ],
      }),
    );
    const folder = join(root, 'm');
    const generationConfig = { eos_token_id: 1 };
    await saveCheckpoint(folder, { config: {}, tensors: THREE, tokenizerFrom: base, generationConfig });
    const opened = await openCheckpoint(folder);
    expect(opened.chatTemplate).toBe('D');
    expect(opened.tokenizerFile).toBe(join(folder, 'tokenizer.json'));
    expect(opened.generationConfig).toEqual(generationConfig);
    await writeFile(join(folder, 'chat_template.jinja'), 'J');
    expect((await openCheckpoint(folder)).chatTemplate).toBe('J');
  });

  test('adapters in the layout of PEFT', async () => {
    const folder = join(root, 'lora');
    const name = 'base_model.model.h.0.attn.lora_A.weight';
    await saveAdapter(folder, { config: { peft_type: 'LORA', r: 1 }, tensors: [tensor(name, 1)] });
    expect(await readdir(folder)).toEqual(['adapter_config.json', 'adapter_model.safetensors']);
    const opened = await openAdapter(folder);
    expect([...opened.tensors.keys()]).toEqual([name]);
    expect(await isAdapterFolder(folder)).toBe(true);
    await expect(saveAdapter(join(root, 'x'), { config: {}, tensors: [] })).rejects.toThrow(/peft_type/);
  });

  test('an index that lies is refused by file and tensor', async () => {
    const folder = join(root, 'm');
    await saveCheckpoint(folder, { config: {}, tensors: THREE, shardBytes: 8 });
    const path = join(folder, 'model.safetensors.index.json');
    const index: { weight_map: Record<string, unknown> } = JSON.parse(await readFile(path, 'utf8'));
    const refuse = async (change: Record<string, unknown>, words: RegExp): Promise<void> => {
      await writeFile(path, JSON.stringify({ weight_map: { ...index.weight_map, ...change } }));
      await expect(openCheckpoint(folder)).rejects.toThrow(words);
    };
    for (const outside of [
      '../m.safetensors',
      '/m.safetensors',
      'a/../../m.safetensors',
      'C:m.safetensors',
      '..\\m.safetensors',
      7,
    ]) {
      await refuse({ a: outside }, /weight_map\["a"\] is/);
    }
    await refuse({ a: 'pytorch_model.bin' }, /not the name of a safetensors file/);
    await refuse({ a: 'absent.safetensors' }, /absent.safetensors: this shard is named/);
    await refuse({ extra: 'model-00001-of-00003.safetensors' }, /"extra".*does not hold it/);
    const { a: _, ...withoutA } = index.weight_map;
    await writeFile(path, JSON.stringify({ weight_map: { ...withoutA } }));
    await expect(openCheckpoint(folder)).resolves.toBeDefined();
    await writeFile(path, JSON.stringify({ weight_map: 3 }));
    await expect(openCheckpoint(folder)).rejects.toThrow(/weight_map is 3/);
    await writeFile(path, JSON.stringify(index));
    await writeSafetensors(join(folder, 'model-00002-of-00003.safetensors'), [tensor('b', 3, 4), tensor('a', 9, 9)]);
    await expect(openCheckpoint(folder)).rejects.toThrow(/"a" is in model-00002.*as well as in "model-00001/);
    await writeSafetensors(join(folder, 'model-00002-of-00003.safetensors'), [tensor('b', 3, 4), tensor('new', 9)]);
    await expect(openCheckpoint(folder)).rejects.toThrow(/does not name "new"/);
  });

  test('pickled weights are refused with the way to convert them', async () => {
    await writeFile(join(root, 'config.json'), '{}');
    await writeFile(join(root, 'pytorch_model.bin'), 'x');
    const hint: unknown = expect.stringContaining('save_file(');
    await expect(openCheckpoint(root)).rejects.toMatchObject({ code: 'checkpoint.pickled', hint });
    await expect(openCheckpoint(join(root, 'pytorch_model.bin'))).rejects.toMatchObject({ hint });
  });

  test('missing and broken files are named', async () => {
    await expect(openCheckpoint(root)).rejects.toThrow(/config.json: this file is not there/);
    await writeFile(join(root, 'config.json'), '{"a":');
    await expect(openCheckpoint(root)).rejects.toThrow(/config.json: not JSON/);
    await writeFile(join(root, 'config.json'), '[]');
    await expect(openCheckpoint(root)).rejects.toThrow(/config.json: holds \[\]/);
    await writeFile(join(root, 'config.json'), '{}');
    await expect(openCheckpoint(root)).rejects.toThrow(/neither model.safetensors nor/);
  });

  test('the hash follows content, not place', async () => {
    const save = (name: string, config: { v: number }): Promise<void> =>
      saveCheckpoint(join(root, name), { config, tensors: THREE });
    await save('one', { v: 1 });
    await save('two', { v: 2 });
    await cp(join(root, 'one'), join(root, 'elsewhere'), { recursive: true });
    const [one, two, copy] = await Promise.all(['one', 'two', 'elsewhere'].map((n) => hashCheckpoint(join(root, n))));
    expect(one).toMatch(/^sha256:[0-9a-f]{64}$/);
    expect(copy).toBe(one);
    expect(two).not.toBe(one);
  });
});

describe('the Hugging Face cache', () => {
  test('the environment decides where it is', () => {
    expect(hubCacheFolder({ HF_HUB_CACHE: 'c', HF_HOME: 'h' })).toBe('c');
    expect(hubCacheFolder({ HF_HOME: 'h' })).toBe(join('h', 'hub'));
    expect(hubCacheFolder({ XDG_CACHE_HOME: 'x' })).toBe(join('x', 'huggingface', 'hub'));
  });

  test('a repository id opens through refs/main and links into blobs', async () => {
    const repository = join(root, 'models--org--name');
    const commit = 'a'.repeat(40);
    const snapshot = join(repository, 'snapshots', commit);
    await saveCheckpoint(join(root, 'plain'), { config: {}, tensors: THREE });
    await mkdir(join(repository, 'blobs'), { recursive: true });
    await mkdir(join(repository, 'refs'));
    await mkdir(snapshot, { recursive: true });
    for (const name of ['config.json', 'model.safetensors']) {
      await cp(join(root, 'plain', name), join(repository, 'blobs', `etag-${name}`));
      await symlink(`../../blobs/etag-${name}`, join(snapshot, name));
    }
    await writeFile(join(repository, 'refs', 'main'), commit);
    const options = { cacheFolder: root };
    expect(await resolveModel('org/name', options)).toBe(snapshot);
    expect(await resolveModel('org/name', { ...options, revision: commit })).toBe(snapshot);
    expect((await openCheckpoint('org/name', options)).tensors.size).toBe(3);
    await expect(resolveModel('org/other', options)).rejects.toMatchObject({
      hint: expect.stringContaining('fiducial model get org/other'),
    });
    await expect(resolveModel('org/name', { ...options, revision: '../x' })).rejects.toThrow(/revision/);
    await expect(resolveModel('../etc/passwd-none', options)).rejects.toThrow(/neither a folder/);
  });
});
