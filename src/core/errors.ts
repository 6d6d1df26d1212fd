/**
 * The one error class of the product.
 *
 * An error says three things: a stable code for programs, what happened with the value that caused it, and what to
 * do about it. A model's refusal, a guard's block or a judge that could not decide is data and never comes this way.
 */

/** A stable, dotted, lower-case word for programs, for example `engine.shape-mismatch`. */
export type ErrorCode = `${string}.${string}`;

/**
 * @example
 * throw new FiducialError('engine.shape-mismatch', 'matmul: [2, 3] and [4, 5] do not multiply: 3 is not 4',
 *   'Transpose one of them, or pass { transposeB: true }.');
 */
export class FiducialError extends Error {
  override readonly name = 'FiducialError';
  /** Stable word for programs. */
  readonly code: ErrorCode;
  /** The command or edit that fixes it; empty only where nothing can be done. */
  readonly hint: string;

  constructor(code: ErrorCode, message: string, hint: string, options?: { cause?: unknown }) {
    super(message, options);
    this.code = code;
    this.hint = hint;
  }

  /** Message and hint as a person reads them, on two lines. */
  toText(): string {
    return this.hint === '' ? this.message : `${this.message}\n${this.hint}`;
  }
}

/** Whether `error` is a {@link FiducialError}, with this code where one is given. */
export function isFiducialError(error: unknown, code?: ErrorCode): error is FiducialError {
  return error instanceof FiducialError && (code === undefined || error.code === code);
}

/** Shows a value inside an error message: JSON where possible, shortened to `limit` characters. */
export function show(value: unknown, limit = 80): string {
  let text: string;
  if (typeof value === 'string') text = JSON.stringify(value);
  else if (typeof value === 'bigint') text = `${value}n`;
  else if (typeof value === 'function') text = `function ${value.name || '(anonymous)'}`;
  else if (typeof value === 'number' || value === undefined) text = String(value);
  else {
    try {
      text = JSON.stringify(value) ?? String(value);
    } catch {
      text = Object.prototype.toString.call(value);
    }
  }
  return text.length <= limit ? text : `${text.slice(0, limit - 1)}…`;
}

/** The word of `known` nearest to `word` by edit distance, or undefined when none is near enough to be meant. */
export function nearestWord(word: string, known: Iterable<string>): string | undefined {
  let best: string | undefined;
  let bestDistance = Math.max(2, Math.floor(word.length / 3)) + 1;
  for (const candidate of known) {
    const distance = editDistance(word.toLowerCase(), candidate.toLowerCase());
    if (distance < bestDistance) {
      best = candidate;
      bestDistance = distance;
    }
  }
  return best;
}

/** Levenshtein distance: insertions, deletions and replacements that turn `a` into `b`. */
function editDistance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const current = [i];
    for (let j = 1; j <= b.length; j++) {
      const replace = previous[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      current.push(Math.min(replace, previous[j]! + 1, current[j - 1]! + 1));
    }
    previous = current;
  }
  return previous[b.length]!;
}
