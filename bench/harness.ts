/**
 * Runs a benchmark and keeps what it takes to believe a figure: machine, commit, date, the spread of several runs,
 * resident memory, and ratios of runs made in turn. Prints a table and appends JSON lines to `bench/results/`.
 *
 * A bench is a file `bench/<name>.ts` that exports `run(harness: Harness): Promise<void>`; `bench/run.ts` finds it.
 * A peer that is not installed is a row that says so, never a row that is missing.
 */
import { appendFileSync, mkdirSync } from 'node:fs';
import os from 'node:os';
import { dirname } from 'node:path';
import { FiducialError, show } from '../src/core/errors.ts';
import { describeCommit, describeMachine, watchMemory } from './harness/machine.ts';
import type { Commit, Machine, Memory } from './harness/machine.ts';
import { summarise, summariseRatios } from './harness/summary.ts';
import type { Summary } from './harness/summary.ts';

export { findPython, openPeer, spawnPeer } from './harness/peers.ts';
export type { FoundPython, JsonObject, Peer, PeerOptions } from './harness/peers.ts';
export { quantile, summarise, summariseRatios } from './harness/summary.ts';
export type { Summary } from './harness/summary.ts';

/** What a body returns when it timed itself, as a peer in another process must. */
export interface Timed {
  readonly elapsedMs: number;
  /** Resident memory of the process that did the work, where it is not this one. */
  readonly residentBytes?: number;
}

/** The work of one call. Whatever else it returns is ignored. */
export type Body = () => unknown;

export interface MeasureOptions {
  /** Measured runs; 10 unless told. */
  readonly runs?: number;
  /** Runs before the first measured one; 2 unless told. */
  readonly warmup?: number;
  /** Calls in each run, for work too short for the clock; a figure is per call. 1 unless told. */
  readonly calls?: number;
  /** Whether the work is done in another process, so that this one's memory would say nothing about it. */
  readonly isElsewhere?: boolean;
  /** Shown beside the figure: a shape, a device, a setting. */
  readonly note?: string;
}

export interface RecordOptions {
  readonly unit: string;
  readonly note?: string;
}

/** One row: a figure, or why there is none. */
export interface Row {
  readonly name: string;
  readonly status: 'measured' | 'absent';
  /** Why there is no figure. */
  readonly why?: string;
  readonly unit?: string;
  readonly figure?: Summary;
  readonly memory?: Memory;
  /** How many times as fast `subject` was as `peer` in the same turn: time of the peer over time of the subject. */
  readonly speed?: { readonly subject: string; readonly peer: string; readonly ratio: Summary };
  readonly note?: string;
  /** Processes that were ready to run, averaged over the last minute: a figure beside a busy neighbour shows it. */
  readonly load: number;
}

/** A row as it is written: one JSON line. */
export type Line = Row & Commit & { readonly bench: string; readonly date: string; readonly machine: Machine };

export interface HarnessOptions {
  /** The bench's name. */
  readonly bench: string;
  /** Repository root, for the commit. */
  readonly root: string;
  /** Where JSON lines are appended; nowhere unless told. */
  readonly resultsPath?: string;
  /** Takes the place of every `runs` that the bench asks for. */
  readonly runs?: number;
  /** Only parts whose name contains this are wanted; see {@link Harness.wants}. */
  readonly only?: string;
  /** Receives the printed lines; standard output unless told. */
  readonly print?: (line: string) => void;
}

/**
 * The harness of one bench.
 *
 * @example
 * export async function run(harness: Harness): Promise<void> {
 *   await harness.compare('matmul 512', { fiducial: () => ours(), tfjs: () => theirs() }, { runs: 20 });
 * }
 */
export class Harness {
  readonly rows: Row[] = [];
  readonly #options: HarnessOptions;
  readonly #commit: Commit;
  readonly #machine: Machine;

  constructor(options: HarnessOptions) {
    this.#options = options;
    this.#commit = describeCommit(options.root);
    this.#machine = describeMachine();
  }

  /**
   * Whether a part of the bench is to run: a bench asks before the work, by the name that its rows begin with.
   *
   * @example
   * if (harness.wants('step, 3.4 M')) await step(harness);
   */
  wants(name: string): boolean {
    return name.includes(this.#options.only ?? '');
  }

  /** Time of one body, in milliseconds a call, with the process's resident memory. */
  async measure(name: string, body: Body, options: MeasureOptions = {}): Promise<Row> {
    const { [name]: taken } = await this.#takeTurns({ [name]: body }, options);
    return this.#addTimes(name, taken!, options);
  }

  /**
   * Times of two or more bodies run in turn (A B A B ...), then how many times as fast the first is as each other,
   * pair by pair.
   *
   * @throws FiducialError `bench.nothing-to-compare` where there are fewer than two.
   */
  async compare(name: string, bodies: Readonly<Record<string, Body>>, options: MeasureOptions = {}): Promise<Row[]> {
    const [subject, ...peers] = Object.keys(bodies);
    if (subject === undefined || peers.length === 0) {
      throw new FiducialError(
        'bench.nothing-to-compare',
        `${show(name)} has ${Object.keys(bodies).length} bodies`,
        'Give two or more, or use measure(); report a peer that is not installed with absent().',
      );
    }
    const taken = await this.#takeTurns(bodies, options);
    const rows = Object.entries(taken).map(([body, one]) => this.#addTimes(`${name}, ${body}`, one, options));
    const ratios = peers.map((peer) =>
      this.#add({
        name: `${name}, ${subject} against ${peer}`,
        status: 'measured',
        unit: 'times as fast',
        speed: { subject, peer, ratio: summariseRatios(taken[peer]!.timesMs, taken[subject]!.timesMs) },
        ...noted(options),
      }),
    );
    return [...rows, ...ratios];
  }

  /** A figure that is no time of a body: a loss, tokens a second, bytes. One value a repetition. */
  record(name: string, values: readonly number[], options: RecordOptions): Row {
    return this.#add({ name, status: 'measured', unit: options.unit, figure: summarise(values), ...noted(options) });
  }

  /** A peer or a device that is not here, and why. */
  absent(name: string, why: string): Row {
    return this.#add({ name, status: 'absent', why });
  }

  /**
   * Prints the table and appends the JSON lines. With `markdown`, the rows in the form of `bench/LOG.md`.
   *
   * @throws FiducialError `bench.no-figures` where the bench recorded nothing.
   */
  report({ markdown = false } = {}): Line[] {
    const { bench, resultsPath, print = console.log } = this.#options;
    if (this.rows.length === 0) {
      throw new FiducialError(
        'bench.no-figures',
        `the bench ${bench} recorded nothing`,
        'Call measure() in its run().',
      );
    }
    const date = new Date().toISOString();
    const lines = this.rows.map((row): Line => ({ bench, date, ...this.#commit, machine: this.#machine, ...row }));
    const { cpu, cores, memoryBytes, node, os: system } = this.#machine;
    print(
      `\n${bench}: ${cpu}, ${cores} cores, ${formatFigure(memoryBytes, 'bytes')}; ${system}; Node ${node}; load ${this.rows.at(-1)!.load}`,
    );
    print(
      `${date.slice(0, 16).replace('T', ' ')}, commit ${this.#commit.commit}${this.#commit.isDirty ? ' (changed)' : ''}\n`,
    );
    for (const line of markdown ? markdownTable(lines) : textTable(this.rows)) print(line);
    if (resultsPath !== undefined) {
      mkdirSync(dirname(resultsPath), { recursive: true });
      appendFileSync(resultsPath, lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
    }
    return lines;
  }

  async #takeTurns(bodies: Readonly<Record<string, Body>>, options: MeasureOptions): Promise<Record<string, Taken>> {
    const runs = this.#options.runs ?? options.runs ?? 10;
    const { warmup = 2, calls = 1 } = options;
    for (const [word, count, least] of [
      ['runs', runs, 1],
      ['warmup', warmup, 0],
      ['calls', calls, 1],
    ] as const) {
      if (Number.isInteger(count) && count >= least) continue;
      throw new FiducialError('bench.bad-count', `${word} is ${show(count)}`, `Give a whole number from ${least} up.`);
    }
    const taken: Record<string, Taken> = {};
    for (let turn = -warmup; turn < runs; turn++) {
      for (const [name, body] of Object.entries(bodies)) {
        const one = await runOnce(body, calls);
        if (turn < 0) continue;
        const before = (taken[name] ??= { timesMs: [], memory: one.memory });
        before.timesMs.push(one.elapsedMs);
        if (one.memory.peakBytes > before.memory.peakBytes) before.memory = one.memory;
      }
    }
    return taken;
  }

  #addTimes(name: string, taken: Taken, options: MeasureOptions): Row {
    const figure = summarise(taken.timesMs);
    const memory = options.isElsewhere === true ? {} : { memory: taken.memory };
    return this.#add({ name, status: 'measured', unit: 'ms', figure, ...memory, ...noted(options) });
  }

  #add(row: Omit<Row, 'load'>): Row {
    const full = { ...row, load: Number(os.loadavg()[0]!.toFixed(2)) };
    this.rows.push(full);
    return full;
  }
}

interface Taken {
  readonly timesMs: number[];
  /** Of the run with the highest peak. */
  memory: Memory;
}

async function runOnce(body: Body, calls: number): Promise<{ elapsedMs: number; memory: Memory }> {
  const readMemory = watchMemory();
  let result: unknown;
  let ownMs = 0;
  const startMs = performance.now();
  for (let call = 0; call < calls; call++) {
    result = body();
    // Awaiting a plain value would cost more than the work that `calls` is there to time.
    if (result instanceof Promise) result = await result;
    if (isTimed(result)) ownMs += result.elapsedMs;
  }
  const wallMs = performance.now() - startMs;
  const memory = readMemory();
  if (!isTimed(result)) return { elapsedMs: wallMs / calls, memory };
  const bytes = result.residentBytes;
  const peerMemory = bytes === undefined ? memory : { residentBytes: bytes, peakBytes: bytes, isPeakOfRun: false };
  return { elapsedMs: ownMs / calls, memory: peerMemory };
}

function isTimed(value: unknown): value is Timed {
  return typeof value === 'object' && value !== null && 'elapsedMs' in value && typeof value.elapsedMs === 'number';
}

function noted({ note }: { readonly note?: string }): { note?: string } {
  return note === undefined ? {} : { note };
}

/**
 * A value with three significant digits and a unit that a person reads: times and bytes change their unit.
 *
 * @example
 * formatFigure(0.00042, 'ms'); // '420 ns'
 */
export function formatFigure(value: number, unit: string): string {
  if (value === 0) return `0 ${unit}`;
  const scales: readonly (readonly [number, string])[] =
    unit === 'ms'
      ? [
          [1000, 's'],
          [1, 'ms'],
          [1e-3, 'us'],
          [1e-6, 'ns'],
        ]
      : unit === 'bytes'
        ? [
            [2 ** 30, 'GiB'],
            [2 ** 20, 'MiB'],
            [2 ** 10, 'KiB'],
            [1, 'bytes'],
          ]
        : [[1, unit]];
  const [scale, name] = scales.find(([least]) => Math.abs(value) >= least) ?? scales.at(-1)!;
  const scaled = value / scale;
  const digits = Math.abs(scaled) >= 100 ? 0 : Math.abs(scaled) >= 10 ? 1 : Math.abs(scaled) >= 0.1 ? 2 : 4;
  return `${scaled.toFixed(digits)} ${name}`;
}

/** The cells of a row, as the table and the log show them: name, median, quartiles, range, runs, peak, note. */
function cellsOf(row: Row): string[] {
  if (row.status === 'absent') return [row.name, 'absent', '', '', '', '', row.why ?? ''];
  const summary = row.figure ?? row.speed!.ratio;
  const unit = row.unit ?? '';
  const format = (value: number): string => formatFigure(value, unit);
  const memory = row.memory === undefined ? '' : formatFigure(row.memory.peakBytes, 'bytes');
  return [
    row.name,
    format(summary.median),
    span(format(summary.q1), format(summary.q3)),
    span(format(summary.min), format(summary.max)),
    String(summary.runs),
    memory === '' || row.memory!.isPeakOfRun ? memory : `${memory} (process)`,
    row.note ?? '',
  ];
}

/** `1.5 to 2.5 ms`: the unit once, where both ends have the same. */
function span(low: string, high: string): string {
  const unit = high.slice(high.indexOf(' '));
  return low.endsWith(unit) ? `${low.slice(0, -unit.length)} to ${high}` : `${low} to ${high}`;
}

const heads = ['figure', 'median', 'quartiles', 'range', 'runs', 'peak memory', 'note'];

function textTable(rows: readonly Row[]): string[] {
  const table = [heads, ...rows.map(cellsOf)];
  const widths = heads.map((_, column) => Math.max(...table.map((cells) => cells[column]!.length)));
  return table.map((cells) =>
    cells
      .map((cell, column) => cell.padEnd(widths[column]!))
      .join('  ')
      .trimEnd(),
  );
}

/** Rows as `bench/LOG.md` keeps them. */
function markdownTable(lines: readonly Line[]): string[] {
  return lines.map((line) => {
    const machine = `${line.machine.cpu}, ${line.machine.cores} cores, Node ${line.machine.node}`;
    const commit = `${line.commit}${line.isDirty ? ' (changed)' : ''}`;
    const note = [line.note ?? line.why, `load ${line.load}`].filter((part) => part !== undefined).join(', ');
    const cells = [line.date.slice(0, 10), line.bench, ...cellsOf(line).slice(0, -1), note, machine, commit];
    return `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  });
}
