/** The application: who is logged in, where it stands, and the screen for that address. */
import { StrictMode, Suspense, lazy, useEffect, useState } from 'react';
import { createRoot } from 'react-dom/client';
import { api, begin, type Self, take } from './api.ts';
import { Empty, Failure, useKeys } from './parts/basics.tsx';
import { go, Link, useRoute } from './route.tsx';
import { SelfContext } from './self.ts';
import { ComparePage } from './screens/compare.tsx';
import { EvidencePage } from './screens/evidence.tsx';
import { RunPage } from './screens/run.tsx';
import { RunsPage } from './screens/runs.tsx';
import { StartPage } from './screens/start.tsx';
import './style.css';

const LabelsPage = lazy(async () => ({ default: (await import('./screens/labels.tsx')).LabelsPage }));

const PlaygroundPage = lazy(async () => ({ default: (await import('./screens/playground.tsx')).PlaygroundPage }));
const InsidePage = lazy(async () => ({ default: (await import('./screens/inside.tsx')).InsidePage }));

const places = [
  { path: 'runs', title: 'Runs', key: '1' },
  { path: 'start', title: 'Start', key: '2' },
  { path: 'labels', title: 'Labels', key: '3' },
  { path: 'playground', title: 'Playground', key: '4' },
  { path: 'inside', title: 'Inside', key: '5' },
  { path: 'evidence', title: 'Evidence', key: '6' },
] as const;

function Application({ self }: { readonly self: Self }) {
  const { parts } = useRoute();
  const [place = 'runs'] = parts;
  const title = places.find(({ path }) => path === place)?.title ?? 'Runs';
  useEffect(() => {
    document.title = `${parts[1] === undefined ? title : `${title} ${parts[1]}`} · Fiducial`;
  }, [title, parts[1]]);
  useKeys(Object.fromEntries(places.map(({ path, key }) => [key, () => go(`/${path}`)])));
  return (
    <SelfContext value={self}>
      <a className="skip" href="#main">
        Skip to the content
      </a>
      <header className="bar">
        <Link href="/runs" className="brand">
          <img src="/mark.svg" alt="" width="22" height="22" /> Fiducial
        </Link>
        <nav aria-label="Places">
          {places.map(({ path, title, key }) => (
            <Link
              key={path}
              href={`/${path}`}
              aria-current={path === place || (path === 'runs' && place === 'compare') ? 'page' : undefined}
              aria-keyshortcuts={key}
            >
              {title}
            </Link>
          ))}
        </nav>
        <div className="bar-end">
          <Theme />
          <Leave self={self} />
        </div>
      </header>
      <main id="main" tabIndex={-1}>
        <Suspense fallback={<Empty>Loading …</Empty>}>
          <Screen parts={parts} />
        </Suspense>
      </main>
    </SelfContext>
  );
}

function Screen({ parts: [place = 'runs', id] }: { readonly parts: readonly string[] }) {
  if (place === 'runs') return id === undefined ? <RunsPage /> : <RunPage key={id} id={id} />;
  if (place === 'compare') return <ComparePage />;
  if (place === 'start') return <StartPage />;
  if (place === 'playground') return <PlaygroundPage />;
  if (place === 'inside') return <InsidePage />;
  if (place === 'evidence') return <EvidencePage />;
  if (place === 'labels') return <LabelsPage id={id} />;
  return (
    <Empty>
      Nothing is at this address. <Link href="/runs">All runs</Link>
    </Empty>
  );
}

function Theme() {
  const [theme, setTheme] = useState(() => localStorage.getItem('theme') ?? 'system');
  useEffect(() => {
    if (theme === 'system') {
      document.documentElement.removeAttribute('data-theme');
      localStorage.removeItem('theme');
    } else {
      document.documentElement.dataset['theme'] = theme;
      localStorage.setItem('theme', theme);
    }
  }, [theme]);
  return (
    <select aria-label="Colours" value={theme} onChange={(event) => setTheme(event.target.value)}>
      <option value="system">System</option>
      <option value="light">Light</option>
      <option value="dark">Dark</option>
    </select>
  );
}

function Leave({ self }: { readonly self: Self }) {
  const leave = async (): Promise<void> => {
    await take(api.session.end.$post());
    location.assign('/login');
  };
  return (
    <button type="button" className="quiet" title={`${self.name}, ${self.role}`} onClick={() => void leave()}>
      Log out
    </button>
  );
}

function Start() {
  const [self, setSelf] = useState<Self>();
  const [error, setError] = useState<Error>();
  useEffect(() => {
    begin().then(setSelf, (cause: unknown) => setError(cause instanceof Error ? cause : new Error(String(cause))));
  }, []);
  if (self !== undefined) return <Application self={self} />;
  return error === undefined ? null : <Failure error={error} />;
}

createRoot(document.getElementById('root')!).render(
  <StrictMode>
    <Start />
  </StrictMode>,
);
