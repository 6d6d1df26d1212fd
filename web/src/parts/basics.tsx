/** Small pieces that every screen uses. */
import { type ReactNode, useEffect, useId, useRef } from 'react';
import { ApiError } from '../api.ts';
import { figure } from '../words.ts';

export function Badge({ kind, children }: { readonly kind: string; readonly children: ReactNode }) {
  return <span className={`badge is-${kind}`}>{children}</span>;
}

/** An observation's outcome in a word; what was not measured is never safe. */
export function outcomeOf(trial: { readonly status: string; readonly value?: number }): string {
  if (trial.status !== 'measured') return trial.status;
  return trial.value === 1 ? 'breach' : trial.value === 0 ? 'safe' : 'measured';
}

export function Outcome({
  trial,
  isRate,
}: {
  readonly trial: { status: string; value?: number };
  readonly isRate: boolean;
}) {
  const word = isRate ? outcomeOf(trial) : trial.status;
  const text = word === 'measured' ? figure(trial.value ?? 0, 'score') : word;
  return <Badge kind={word}>{text}</Badge>;
}

export function Failure({ error }: { readonly error: Error | undefined }) {
  if (error === undefined) return null;
  return (
    <div role="alert" className="failure">
      <strong>{error.message}</strong>
      {error instanceof ApiError && error.hint !== '' && <div>{error.hint}</div>}
    </div>
  );
}

export function Empty({ children }: { readonly children: ReactNode }) {
  return <p className="empty">{children}</p>;
}

export function Card({
  title,
  side,
  children,
}: {
  readonly title?: string;
  readonly side?: ReactNode;
  readonly children: ReactNode;
}) {
  const id = useId();
  return (
    <section className="card" aria-labelledby={title === undefined ? undefined : id}>
      {title !== undefined && (
        <div className="card-head">
          <h2 id={id}>{title}</h2>
          {side}
        </div>
      )}
      {children}
    </section>
  );
}

/** A dialog of the browser's own: it traps the focus and closes on Escape. */
export function Dialog({
  title,
  onClose,
  children,
}: {
  readonly title: string;
  readonly onClose: () => void;
  readonly children: ReactNode;
}) {
  const dialog = useRef<HTMLDialogElement>(null);
  const id = useId();
  useEffect(() => {
    const element = dialog.current;
    element?.showModal();
    return () => element?.close();
  }, []);
  return (
    <dialog ref={dialog} aria-labelledby={id} onClose={onClose}>
      <div className="card-head">
        <h2 id={id}>{title}</h2>
        <button type="button" className="quiet" onClick={onClose}>
          Close
        </button>
      </div>
      {children}
    </dialog>
  );
}

export function Field({
  label,
  about,
  children,
}: {
  readonly label: string;
  readonly about?: string;
  readonly children: (ids: { id: string; 'aria-describedby': string | undefined }) => ReactNode;
}) {
  const id = useId();
  const aboutId = `${id}-about`;
  return (
    <div className="field">
      <label htmlFor={id}>{label}</label>
      {children({ id, 'aria-describedby': about === undefined || about === '' ? undefined : aboutId })}
      {about !== undefined && about !== '' && (
        <div id={aboutId} className="about">
          {about}
        </div>
      )}
    </div>
  );
}

export function Tabs({
  tabs,
  current,
  onPick,
  label,
}: {
  readonly tabs: readonly { readonly id: string; readonly title: string; readonly count?: number }[];
  readonly current: string;
  readonly onPick: (id: string) => void;
  readonly label: string;
}) {
  return (
    <nav className="tabs" aria-label={label}>
      {tabs.map(({ id, title, count }) => (
        <button key={id} type="button" aria-current={id === current ? 'page' : undefined} onClick={() => onPick(id)}>
          {title}
          {count !== undefined && <span className="count">{count.toLocaleString('en')}</span>}
        </button>
      ))}
    </nav>
  );
}

/** Whether keys typed now belong to a field. */
export function isTyping(target: EventTarget | null): boolean {
  return (
    target instanceof HTMLElement && (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName))
  );
}

/** Keys that act wherever the focus is, except in fields. */
export function useKeys(keys: Readonly<Record<string, () => void>>): void {
  const current = useRef(keys);
  current.current = keys;
  useEffect(() => {
    const hear = (event: KeyboardEvent): void => {
      if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return;
      const act = Object.hasOwn(current.current, event.key) ? current.current[event.key] : undefined;
      if (act === undefined) return;
      event.preventDefault();
      act();
    };
    addEventListener('keydown', hear);
    return () => removeEventListener('keydown', hear);
  }, []);
}
