/** Where a model of the lab was made and by which code: what manifests state beside their figures. */
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The version of this package. */
export function packageVersion(): string {
  const text = readFileSync(new URL('../../../package.json', import.meta.url), 'utf8');
  return (JSON.parse(text) as { readonly version: string }).version;
}

/** A hash of the lab's code and of the builder's, tests left out. */
export function labCode(): string {
  const hash = createHash('sha256');
  for (const layer of ['../../lab/', './']) {
    const folder = fileURLToPath(new URL(layer, import.meta.url));
    const files = readdirSync(folder, { recursive: true, encoding: 'utf8' })
      .map((name) => name.replaceAll('\\', '/'))
      .filter((name) => /\.[jt]s$/.test(name) && !/\.(?:test|d)\.ts$/.test(name))
      .sort();
    for (const name of files) hash.update(`${name}\0${readFileSync(join(folder, name), 'utf8')}\0`);
  }
  return `sha256:${hash.digest('hex')}`;
}

/** The processor and how many cores of it. */
export function machineName(): string {
  const [first] = cpus();
  return `${first?.model.trim() ?? 'unknown processor'}, ${cpus().length} cores, Node ${process.version}`;
}
