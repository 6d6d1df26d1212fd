/**
 * Where the built screens are: in the package beside the compiled code; in a clone they are built when they are not
 * there or older than their source, which takes a few seconds.
 */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { FiducialError } from '../core/errors.ts';

/**
 * @param say hears that they are being built
 * @throws FiducialError `server.screens-build`
 */
export async function screensFolder(say: (line: string) => void): Promise<string> {
  const isSource = import.meta.url.endsWith('.ts');
  if (!isSource) return fileURLToPath(new URL('../web/', import.meta.url));
  const root = fileURLToPath(new URL('../../', import.meta.url));
  const built = join(root, 'dist', 'web');
  const page = join(built, 'index.html');
  if (existsSync(page) && (await stat(page)).mtimeMs >= (await newest(join(root, 'web')))) return built;
  say('Building the screens ...');
  await build(root);
  return built;
}

async function newest(folder: string): Promise<number> {
  let latest = 0;
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    if (entry.isFile() && !entry.parentPath.includes('node_modules')) {
      latest = Math.max(latest, (await stat(join(entry.parentPath, entry.name))).mtimeMs);
    }
  }
  return latest;
}

async function build(root: string): Promise<void> {
  let vite: string;
  try {
    vite = createRequire(join(root, 'web', 'package.json')).resolve('vite/package.json');
  } catch (cause) {
    throw new FiducialError('server.screens-build', 'Vite is not installed, which builds the screens', 'npm ci', {
      cause,
    });
  }
  await new Promise<void>((resolve, reject) => {
    execFile(
      process.execPath,
      [join(vite, '..', 'bin', 'vite.js'), 'build', '--logLevel', 'warn'],
      { cwd: join(root, 'web') },
      (cause, stdout, stderr) => {
        if (cause === null) return resolve();
        const said = `${stdout}${stderr}`.trim().slice(-2_000);
        reject(
          new FiducialError('server.screens-build', `The screens could not be built: ${said}`, 'npm run build:web', {
            cause,
          }),
        );
      },
    );
  });
}
