/**
 * A list of any length: only the rows in sight are there, and pages of them are loaded as they come into sight. Moved by
 * keys like a list box; its size and each row's place are said to screen readers.
 */
import { type ReactNode, useCallback, useEffect, useLayoutEffect, useRef, useState } from 'react';

export interface RowsProps<T> {
  /** A change of it begins anew. */
  readonly id: string;
  readonly label: string;
  /** Rises when rows may have changed: the pages in sight are loaded again. */
  readonly version: number;
  readonly rowHeight: number;
  readonly load: (offset: number, limit: number) => Promise<{ readonly items: readonly T[]; readonly total: number }>;
  readonly row: (item: T) => ReactNode;
  readonly picked: number | undefined;
  readonly onPick: (item: T, index: number) => void;
  readonly onTotal: (total: number) => void;
  readonly onError: (error: Error) => void;
}

const pageSize = 100;
const extraRows = 8;
/** Browsers draw no taller element reliably; beyond it the list is scaled. */
const tallest = 8_000_000;

export function Rows<T>({ id, label, version, rowHeight, load, row, picked, onPick, onTotal, onError }: RowsProps<T>) {
  const box = useRef<HTMLDivElement>(null);
  const [top, setTop] = useState(0);
  const [height, setHeight] = useState(600);
  const [pages, setPages] = useState<{
    readonly id: string;
    readonly total: number;
    readonly map: ReadonlyMap<number, readonly T[]>;
  }>({ id, total: 0, map: new Map() });
  const asked = useRef(new Map<string, number>());
  const current = useRef({ load, onTotal, onError });
  current.current = { load, onTotal, onError };
  const own = pages.id === id ? pages : { id, total: 0, map: new Map<number, readonly T[]>() };

  const whole = own.total * rowHeight;
  const drawn = Math.min(whole, tallest);
  const scale = drawn > height && whole > drawn ? (whole - height) / (drawn - height) : 1;
  const first = Math.max(0, Math.floor((top * scale) / rowHeight) - extraRows);
  const last = Math.min(own.total, Math.ceil((top * scale + height) / rowHeight) + extraRows);

  useLayoutEffect(() => {
    const element = box.current;
    if (element === null) return;
    const observer = new ResizeObserver(() => setHeight(element.clientHeight));
    observer.observe(element);
    return () => observer.disconnect();
  }, []);
  useEffect(() => {
    box.current?.scrollTo({ top: 0 });
    setTop(0);
  }, [id]);

  const firstPage = Math.floor(first / pageSize);
  const lastPage = Math.max(firstPage, Math.floor(Math.max(first, last - 1) / pageSize));
  useEffect(() => {
    for (let page = firstPage; page <= lastPage; page++) {
      const key = `${id} ${page}`;
      if (asked.current.get(key) === version) continue;
      asked.current.set(key, version);
      current.current.load(page * pageSize, pageSize).then(
        ({ items, total }) => {
          current.current.onTotal(total);
          setPages((old) => {
            const base = old.id === id ? old : { id, total: 0, map: new Map<number, readonly T[]>() };
            const map = new Map(base.map).set(page, items);
            return { id, total, map };
          });
        },
        (error: unknown) => {
          asked.current.delete(key);
          current.current.onError(error instanceof Error ? error : new Error(String(error)));
        },
      );
    }
  }, [id, version, firstPage, lastPage]);

  const itemAt = useCallback(
    (index: number): T | undefined => own.map.get(Math.floor(index / pageSize))?.[index % pageSize],
    [own.map],
  );
  const show = (index: number): void => {
    const element = box.current;
    if (element === null) return;
    const place = index * rowHeight;
    const from = element.scrollTop * scale;
    if (place < from) element.scrollTop = place / scale;
    else if (place + rowHeight > from + height) element.scrollTop = (place + rowHeight - height) / scale;
  };
  const pick = (index: number): void => {
    const bounded = Math.max(0, Math.min(own.total - 1, index));
    const item = itemAt(bounded);
    show(bounded);
    if (item !== undefined) onPick(item, bounded);
  };
  const move = (event: React.KeyboardEvent): void => {
    const at = picked ?? -1;
    const page = Math.max(1, Math.floor(height / rowHeight) - 1);
    const to = {
      ArrowDown: at + 1,
      j: at + 1,
      ArrowUp: at - 1,
      k: at - 1,
      PageDown: at + page,
      PageUp: at - page,
      Home: 0,
      End: own.total - 1,
    }[event.key];
    if (to === undefined || own.total === 0) return;
    event.preventDefault();
    pick(to);
  };

  const shown = [];
  for (let index = first; index < last; index++) {
    const item = itemAt(index);
    shown.push(
      <div
        key={index}
        id={`row-${index}`}
        role="option"
        aria-selected={picked === index}
        aria-setsize={own.total}
        aria-posinset={index + 1}
        className="row"
        style={{
          height: rowHeight,
          transform: `translateY(${index * rowHeight - (scale === 1 ? 0 : top * scale - top)}px)`,
        }}
        onClick={() => item !== undefined && onPick(item, index)}
      >
        {item === undefined ? <span className="loading-row">…</span> : row(item)}
      </div>,
    );
  }
  return (
    <div
      ref={box}
      className="rows"
      role="listbox"
      tabIndex={0}
      aria-label={label}
      aria-activedescendant={picked !== undefined && picked >= first && picked < last ? `row-${picked}` : undefined}
      onScroll={(event) => setTop(event.currentTarget.scrollTop)}
      onKeyDown={move}
    >
      <div className="rows-inner" role="presentation" style={{ height: drawn }}>
        {shown}
      </div>
    </div>
  );
}
