/**
 * What a figure was measured on: machine, operating system, Node, commit, and the memory that the process held.
 *
 * Peak memory over one measurement comes from Linux (`VmHWM` of /proc/self/status, reset through clear_refs, see
 * proc(5)); elsewhere only the peak over the life of the process is known, and the figure says so.
 */
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import os from 'node:os';

export interface Machine {
  readonly cpu: string;
  /** Hardware threads that this process may use. */
  readonly cores: number;
  readonly memoryBytes: number;
  readonly node: string;
  readonly os: string;
}

export interface Commit {
  /** First twelve digits, or `unknown` outside a git repository. */
  readonly commit: string;
  /** Whether tracked files differ from that commit. */
  readonly isDirty: boolean;
}

/** The machine that this process runs on. */
export function describeMachine(): Machine {
  return {
    cpu: os.cpus()[0]?.model.trim() ?? 'unknown',
    cores: os.availableParallelism(),
    memoryBytes: os.totalmem(),
    node: process.version,
    os: `${distribution() ?? os.type()}, ${os.type()} ${os.release()} ${os.arch()}`,
  };
}

/** The commit checked out in `folder`. */
export function describeCommit(folder: string): Commit {
  const git = (...args: string[]): string | undefined => {
    const result = spawnSync('git', args, { cwd: folder, encoding: 'utf8' });
    return result.status === 0 ? result.stdout.trim() : undefined;
  };
  const commit = git('rev-parse', '--short=12', 'HEAD');
  if (commit === undefined) return { commit: 'unknown', isDirty: true };
  return { commit, isDirty: git('status', '--porcelain', '--untracked-files=no') !== '' };
}

export interface Memory {
  /** Resident set at the end, in bytes. */
  readonly residentBytes: number;
  /** Largest resident set, in bytes. */
  readonly peakBytes: number;
  /** Whether the peak is that of the measurement; otherwise it is that of the whole process. */
  readonly isPeakOfRun: boolean;
}

/**
 * Starts to watch the resident memory of this process; call the result to read it.
 *
 * @example
 * const read = watchMemory();
 * work();
 * read().peakBytes;
 */
export function watchMemory(): () => Memory {
  const isReset = resetPeak();
  return () => {
    const residentBytes = process.memoryUsage.rss();
    const peakBytes = isReset ? peakSinceReset() : process.resourceUsage().maxRSS * 1024;
    return { residentBytes, peakBytes: Math.max(peakBytes, residentBytes), isPeakOfRun: isReset };
  };
}

function resetPeak(): boolean {
  if (process.platform !== 'linux') return false;
  try {
    writeFileSync('/proc/self/clear_refs', '5');
    return true;
  } catch {
    // A sandbox may forbid it; the figure then carries isPeakOfRun: false.
    return false;
  }
}

function peakSinceReset(): number {
  const match = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8'));
  return Number(match?.[1] ?? 0) * 1024;
}

function distribution(): string | undefined {
  if (process.platform !== 'linux') return undefined;
  try {
    return /^PRETTY_NAME="?([^"\n]*)"?$/m.exec(readFileSync('/etc/os-release', 'utf8'))?.[1];
  } catch {
    // Not every Linux names its distribution.
    return undefined;
  }
}
