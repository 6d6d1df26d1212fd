/** The example runs to its end, and what it says of its bot is true. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { closedLoop } from './closed-loop.ts';

it('finds the tales, tries a guard, and writes a report', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'fiducial-example-'));
  try {
    const { files, lines } = await closedLoop(folder);
    expect(lines[0]).toContain('attack success, before 100.0 %');
    expect(lines.find((line) => line.startsWith('skills, before'))).toContain('100.0 %');
    expect(readFileSync(files[0]!, 'utf8')).toContain('What was found of kitchen bot');
  } finally {
    rmSync(folder, { recursive: true });
  }
});
