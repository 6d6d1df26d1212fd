/**
 * The harness against answers known beforehand: statistics against R, bodies that state their own time, real peers in
 * other processes. No assertion depends on how fast this machine is.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { findPython, formatFigure, Harness, openPeer, spawnPeer, summarise, summariseRatios } from '../harness.ts';
import type { Line } from '../harness.ts';
import { watchMemory } from './machine.ts';
import { benchesIn, checkNames } from '../run.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const quiet = (): void => undefined;

describe('summarise', () => {
  it("gives R's quartiles", () => {
    // Rscript -e 'x <- c(9.1, 2.5, 7.25, 3, 3, 11, 0.5); print(quantile(x, type = 7), digits = 15)'
    expect(summarise([9.1, 2.5, 7.25, 3, 3, 11, 0.5])).toEqual({
      runs: 7,
      min: 0.5,
      q1: 2.75,
      median: 3,
      q3: 8.175,
      max: 11,
    });
    // Rscript -e 'print(quantile(c(4, 1, 3, 2), type = 7), digits = 15)'
    expect(summarise([4, 1, 3, 2])).toEqual({ runs: 4, min: 1, q1: 1.75, median: 2.5, q3: 3.25, max: 4 });
    expect(summarise([5])).toEqual({ runs: 1, min: 5, q1: 5, median: 5, q3: 5, max: 5 });
  });

  it('is ordered, takes any order and leaves its input alone', () => {
    fc.assert(
      fc.property(fc.array(fc.double({ min: -1e9, max: 1e9, noNaN: true }), { minLength: 1 }), (values) => {
        const copy = [...values];
        const { min, q1, median, q3, max } = summarise(values);
        expect(values).toEqual(copy);
        expect([min, q1, median, q3, max]).toEqual([min, q1, median, q3, max].toSorted((a, b) => a - b));
        expect(summarise(values.toReversed())).toEqual(summarise(values));
      }),
      { seed: 3 },
    );
  });

  it('refuses no runs, and runs that are no numbers', () => {
    expect(() => summarise([])).toThrow('no run was recorded');
    expect(() => summarise([1, Number.NaN])).toThrow('a run gave NaN');
    expect(() => summariseRatios([1, 2], [0, 1])).toThrow('a run gave Infinity');
    expect(() => summariseRatios([1, 2], [1])).toThrow('form no pairs');
  });

  it('forms ratios pair by pair: a slow spell that hits both sides of a pair cancels', () => {
    // The ratio of the medians would be 4 / 2; each pair says 3.
    expect(summariseRatios([3, 30, 3], [1, 10, 1])).toMatchObject({ min: 3, median: 3, max: 3 });
    expect(summariseRatios([1, 4, 9], [1, 2, 3])).toMatchObject({ median: 2 });
  });
});

describe('Harness', () => {
  it('wants the parts that --only names, and all of them without it', () => {
    const options = { bench: 'planted', root, print: quiet };
    const one = new Harness({ ...options, only: 'step, 3.4' });
    expect(one.wants('step, 3.4 M')).toBe(true);
    expect(one.wants('step, 124 M')).toBe(false);
    expect(new Harness(options).wants('step, 124 M')).toBe(true);
  });

  it('runs bodies in turn, warm-up first, and leaves the warm-up out', async () => {
    const order: string[] = [];
    let count = 0;
    const harness = new Harness({ bench: 'planted', root, print: quiet });
    const rows = await harness.compare(
      'work',
      {
        a: () => ({ elapsedMs: (order.push('a'), (count += 1)) }),
        b: async () => ({ elapsedMs: (order.push('b'), count * 4), residentBytes: 1000 }),
      },
      { runs: 3, warmup: 2 },
    );
    expect(order.join('')).toBe('ababababab');
    expect(rows.map(({ name }) => name)).toEqual(['work, a', 'work, b', 'work, a against b']);
    expect(rows[0]!.figure).toMatchObject({ runs: 3, min: 3, median: 4, max: 5 });
    expect(rows[1]!.memory).toEqual({ residentBytes: 1000, peakBytes: 1000, isPeakOfRun: false });
    expect(rows[2]!.speed).toMatchObject({ subject: 'a', peer: 'b', ratio: { runs: 3, min: 4, max: 4 } });
  });

  it('divides by the calls of a run', async () => {
    let calls = 0;
    const harness = new Harness({ bench: 'planted', root, print: quiet });
    const row = await harness.measure('work', () => ({ elapsedMs: (calls += 1) }), { runs: 1, warmup: 1, calls: 3 });
    expect(calls).toBe(6);
    expect(row.figure!.median).toBe((4 + 5 + 6) / 3);
  });

  it('waits for a body that is asynchronous, and passes its error on', async () => {
    const harness = new Harness({ bench: 'planted', root, print: quiet });
    let open = 0;
    const body = async (): Promise<void> => {
      expect(open++).toBe(0);
      await new Promise((resolve) => setImmediate(resolve));
      open--;
    };
    await harness.measure('work', body, { runs: 2, calls: 2 });
    const failing = harness.measure('work', () => Promise.reject(new Error('planted')), { runs: 1 });
    await expect(failing).rejects.toThrow('planted');
  });

  it('refuses what would give no figure', async () => {
    const harness = new Harness({ bench: 'planted', root, print: quiet });
    await expect(harness.compare('work', { a: quiet })).rejects.toThrow('has 1 bodies');
    await expect(harness.measure('work', quiet, { runs: 0 })).rejects.toThrow('runs is 0');
    await expect(harness.measure('work', quiet, { calls: 0.5 })).rejects.toThrow('calls is 0.5');
    expect(() => harness.report()).toThrow('recorded nothing');
  });

  it('reports a table and JSON lines with machine, commit and date; an absent peer is a row', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'fiducial-bench-'));
    try {
      const printed: string[] = [];
      const resultsPath = join(folder, 'results', 'planted.jsonl');
      const harness = new Harness({
        bench: 'planted',
        root,
        resultsPath,
        runs: 1,
        print: (line) => printed.push(line),
      });
      await harness.measure('step', () => ({ elapsedMs: 250 }), { note: '3.4M' });
      harness.record('loss', [2, 4], { unit: 'nats' });
      harness.absent('PyTorch', 'no Python here imports torch');
      harness.report();
      harness.report({ markdown: true });
      const lines = readFileSync(resultsPath, 'utf8')
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as Line);
      expect(lines).toHaveLength(6);
      expect(lines[0]).toMatchObject({
        bench: 'planted',
        name: 'step',
        status: 'measured',
        unit: 'ms',
        figure: { runs: 1, median: 250 },
        note: '3.4M',
      });
      expect(lines[0]!.machine.node).toBe(process.version);
      expect(lines[0]!.machine.cores).toBeGreaterThan(0);
      expect(lines[0]!.commit).toMatch(/^([0-9a-f]{12}|unknown)$/);
      expect(lines[0]!.memory!.peakBytes).toBeGreaterThanOrEqual(lines[0]!.memory!.residentBytes);
      expect(Date.parse(lines[0]!.date)).not.toBeNaN();
      expect(lines[1]).toMatchObject({ name: 'loss', unit: 'nats', figure: { runs: 2, median: 3 } });
      expect(lines[2]).toMatchObject({ name: 'PyTorch', status: 'absent', why: 'no Python here imports torch' });
      expect(printed.find((line) => line.startsWith('step'))).toMatch(/250 ms +250 to 250 ms/);
      expect(printed.find((line) => line.startsWith('PyTorch'))).toContain('absent');
      expect(printed.find((line) => line.startsWith('| '))).toMatch(
        /^\| \d{4}-\d\d-\d\d \| planted \| step \| 250 ms \|.*\| 3\.4M, load [\d.]+ \|/,
      );
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it('sees the memory that a body takes', () => {
    const read = watchMemory();
    const bytes = Buffer.alloc(150e6, 1);
    expect(read().peakBytes).toBeGreaterThan(bytes.length);
  });
});

describe('formatFigure', () => {
  it.each([
    [2500, 'ms', '2.50 s'],
    [200, 'ms', '200 ms'],
    [0.0123, 'ms', '12.3 us'],
    [0.00042, 'ms', '420 ns'],
    [0, 'ms', '0 ms'],
    [3 * 2 ** 30, 'bytes', '3.00 GiB'],
    [3.2, 'times as fast', '3.20 times as fast'],
    [0.012, 'nats', '0.0120 nats'],
  ])('%d %s', (value, unit, text) => {
    expect(formatFigure(value, unit)).toBe(text);
  });
});

describe('peers', () => {
  const echo = `
    process.stdout.write('a library says hello\\n{not json\\n');
    require('node:readline').createInterface({ input: process.stdin }).on('line', (line) => {
      const { value } = JSON.parse(line);
      if (value === 'die') { console.error('planted end'); process.exit(3); }
      if (value !== 'mute') console.log(JSON.stringify({ elapsedMs: value }));
    });`;

  it('run to their end and answer with their last JSON object', async () => {
    const program = `console.log('chatter'); console.log('{"elapsedMs": 1}'); console.log('{"elapsedMs": 2}'); console.log('done')`;
    expect(await spawnPeer(process.execPath, ['-e', program])).toEqual({ elapsedMs: 2 });
    const reader =
      'process.stdin.on("data", (text) => console.log(JSON.stringify({ got: String(text), as: process.env.PLANTED })))';
    const options = { input: 'in', environment: { PLANTED: 'set' } };
    expect(await spawnPeer(process.execPath, ['-e', reader], options)).toEqual({ got: 'in', as: 'set' });
  });

  it('that fail or say nothing are errors with what they printed', async () => {
    const failing = spawnPeer(process.execPath, [
      '-e',
      'console.log("{}"); console.error("planted end"); process.exit(3)',
    ]);
    await expect(failing).rejects.toThrow(/ended with 3:\nplanted end/);
    await expect(spawnPeer(process.execPath, ['-e', 'console.log("nothing")'])).rejects.toThrow(
      'printed no JSON object',
    );
    await expect(spawnPeer(join(root, 'no-such-program'), [])).rejects.toThrow('ENOENT');
    const hanging = spawnPeer(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { timeoutMs: 300 });
    await expect(hanging).rejects.toThrow('SIGTERM');
  });

  it('stay open between turns, and fail the turn in which they end', async () => {
    await using peer = openPeer(process.execPath, ['-e', echo]);
    expect(await peer.ask({ value: 1 })).toEqual({ elapsedMs: 1 });
    expect(await peer.ask({ value: 2 })).toEqual({ elapsedMs: 2 });
    await expect(peer.ask({ value: 'die' })).rejects.toThrow(/ended with 3:\nplanted end/);
    await expect(peer.ask({ value: 3 })).rejects.toThrow('ended with 3');
  });

  it('take one request at a time, and no longer than they may', async () => {
    await using peer = openPeer(process.execPath, ['-e', echo]);
    const first = peer.ask({ value: 'mute' }, 300);
    const caught = expect(first).rejects.toThrow('gave no answer in 300 ms');
    await expect(peer.ask({ value: 1 })).rejects.toThrow('still works on a request');
    await caught;
  });
});

describe('findPython', () => {
  it('says where it looked when no Python can import the module', () => {
    const found = findPython('no_such_module_of_ours', { PATH: '' });
    expect(found).toMatchObject({ isFound: false });
    if (!found.isFound) expect(found.why).toContain('no_such_module_of_ours');
    expect(() => findPython('os; import sys')).toThrow('names no Python module');
  });

  it('takes the interpreter that FIDUCIAL_PYTHON names, when that can import the module', () => {
    const folder = mkdtempSync(join(tmpdir(), 'fiducial-python-'));
    try {
      // Two that stand for interpreters: one accepts any program, one refuses it.
      writeFileSync(join(folder, 'python3'), '#!/bin/sh\necho 1.2.3\n', { mode: 0o755 });
      writeFileSync(join(folder, 'python'), '#!/bin/sh\nexit 1\n', { mode: 0o755 });
      const accepts = findPython('anything_at_all', { FIDUCIAL_PYTHON: join(folder, 'python3') });
      expect(accepts).toEqual({ isFound: true, command: join(folder, 'python3'), version: '1.2.3' });
      const environment = { FIDUCIAL_PYTHON: join(folder, 'python'), PATH: folder };
      expect(findPython('no_such_module_of_ours', environment)).toMatchObject({ command: join(folder, 'python3') });
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

describe('bench names', () => {
  it('are the files of the folder, less the runner, the harness and tests', () => {
    const benches = benchesIn(join(root, 'bench'));
    expect(benches.has('start')).toBe(true);
    expect([...benches.keys()].filter((name) => ['run', 'harness'].includes(name) || name.includes('.'))).toEqual([]);
    expect([...benches.values()].filter((line) => line === '')).toEqual([]);
  });

  it('are checked, with the nearest word', () => {
    expect(checkNames(['engine', 'engine'], ['engine', 'network'])).toEqual(['engine']);
    const unknown = (): unknown => checkNames(['engin'], ['engine', 'network']);
    expect(unknown).toThrow(expect.objectContaining({ code: 'bench.unknown', hint: 'Did you mean engine?' }));
  });
});
