/** Numbers and times as people read them. */

export function share(value: number): string {
  return `${(100 * value).toFixed(1)} %`;
}

export function figure(value: number, unit: string): string {
  if (unit === 'share') return share(value);
  const text = String(Number(value.toPrecision(4)));
  return unit === 'score' ? text : `${text} ${unit}`;
}

export function whole(value: number): string {
  return value.toLocaleString('en');
}

export function money(value: number): string {
  return value === 0 ? '0' : value < 0.01 ? '< 0.01' : value.toFixed(2);
}

export function duration(ms: number): string {
  const seconds = Math.round(ms / 1000);
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 5_400) return `${Math.round(seconds / 60)} min`;
  return `${(seconds / 3600).toFixed(1)} h`;
}

export function when(ms: number): string {
  return new Date(ms).toISOString().slice(0, 16).replace('T', ' ');
}

/** How long ago; whole words, so that a screen reader says them. */
export function ago(ms: number, nowMs = Date.now()): string {
  const seconds = Math.max(0, Math.round((nowMs - ms) / 1000));
  if (seconds < 60) return 'just now';
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)} h ago`;
  return when(ms).slice(0, 10);
}

/** A value of any kind as short text. */
export function plain(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}
