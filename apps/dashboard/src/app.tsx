import { printable } from '@tapo/trainer/view';
import { connection, failure, findRun, runs } from './data/runs.js';
import { isExported } from './data/requests.js';
import { ConfigPage } from './pages/config-page.js';
import { CurvesPage } from './pages/curves-page.js';
import { FindPage } from './pages/find-page.js';
import { ProblemPage } from './pages/problem-page.js';
import { RunsPage } from './pages/runs-page.js';
import { StepPage } from './pages/step-page.js';
import { KeysHelp, toggleKeys } from './keys-help.js';
import { Loading } from './loading.js';
import { href, route } from './router.js';
import type { Route } from './router.js';
import { nextTheme, theme } from './theme.js';
import { RunState } from './run-state.js';
import { VisibleText } from './visible-text.js';

/** `#/` runs · `#/curves?runs=…` · `#/run/ID/step/N` · `#/run/ID/find` · `#/run/ID/problem?id=…` · `#/run/ID/config` */
export function App() {
  const { parts } = route.value;
  const id = runOf(route.value);
  document.title = [printable(id ?? parts[0] ?? ''), 'TAPO'].filter(Boolean).join(' · ');
  return (
    <>
      <a
        class="skip"
        href="#content"
        onClick={(event) => (event.preventDefault(), document.getElementById('content')?.focus())}
      >
        Skip to content
      </a>
      <header class="top">
        <nav aria-label="Pages">
          <a class="brand" href={href([])} aria-current={parts.length === 0 ? 'page' : undefined}>
            TAPO
          </a>
          <a href={href([])} aria-current={parts.length === 0 ? 'page' : undefined}>
            Runs
          </a>
          <a href={href(['curves'])} aria-current={parts[0] === 'curves' && id === undefined ? 'page' : undefined}>
            Compare
          </a>
          {id !== undefined && <RunLinks id={id} active={parts[0] === 'curves' ? 'curves' : parts[2]} />}
        </nav>
        <Connection />
        <button type="button" class="quiet" onClick={toggleKeys} aria-label="Keys">
          <kbd>?</kbd>
        </button>
        <button type="button" class="quiet" onClick={nextTheme} aria-label={`Colours: ${theme.value}. Change.`}>
          {{ auto: '◐ auto', light: '○ light', dark: '● dark' }[theme.value]}
        </button>
      </header>
      <main id="content" tabIndex={-1}>
        {failure.value !== undefined && (
          <p class="notice" role="alert">
            {failure.value}
          </p>
        )}
        {runs.value === undefined ? <Loading /> : <Page />}
      </main>
      <KeysHelp />
    </>
  );
}

/** The run that a page is about. */
function runOf({ parts, query }: Route): string | undefined {
  if (parts[0] === 'run') return parts[1];
  const ids = parts[0] === 'curves' ? query.get('runs')?.split(',') : undefined;
  return ids?.length === 1 && findRun(ids[0] as string) ? ids[0] : undefined;
}

function Page() {
  const { parts } = route.value;
  const [kind, id, view, detail] = parts;
  if (kind === undefined) return <RunsPage />;
  if (kind === 'curves') return <CurvesPage />;
  const run = kind === 'run' && id !== undefined ? findRun(id) : undefined;
  if (!run) return <p class="empty">There is no run “{printable(id ?? kind)}” here.</p>;
  switch (view) {
    case 'find':
      return <FindPage key={run.id} run={run} />;
    case 'problem':
      return <ProblemPage key={run.id} run={run} />;
    case 'config':
      return <ConfigPage key={run.id} run={run} />;
    default:
      return <StepPage key={run.id} run={run} step={detail === undefined ? undefined : Number(detail)} />;
  }
}

function RunLinks({ id, active = 'step' }: { id: string; active: string | undefined }) {
  const run = findRun(id);
  const current = (view: string) => (active === view ? 'page' : undefined);
  return (
    <span class="run-links">
      <span class="run-name">
        <VisibleText text={id} /> {run && <RunState run={run} />}
      </span>
      <a href={href(['curves'], { runs: id })} aria-current={current('curves')}>
        Curves
      </a>
      <a href={href(['run', id, 'step'])} aria-current={current('step')}>
        Trajectories
      </a>
      <a href={href(['run', id, 'find'])} aria-current={current('find')}>
        Search
      </a>
      <a href={href(['run', id, 'config'])} aria-current={current('config')}>
        Config
      </a>
    </span>
  );
}

function Connection() {
  if (isExported) return <span class="soft connection">exported</span>;
  return (
    <span class={`connection ${connection.value}`} role="status">
      {{ live: 'live', lost: 'server gone; trying again', none: '' }[connection.value]}
    </span>
  );
}
