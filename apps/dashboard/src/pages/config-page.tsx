import { flatConfig } from '@tapo/trainer/view';
import type { RunSummary } from '@tapo/trainer/view';
import { configDifferences } from '../data/config.js';
import { runs } from '../data/runs.js';
import { route, setQuery } from '../router.js';
import { VisibleText } from '../visible-text.js';

/** The resolved config of a run, beside another run's if asked for. */
export function ConfigPage({ run }: { run: RunSummary }) {
  const otherId = route.value.query.get('with');
  const other = runs.value?.find(({ id }) => id === otherId);
  const mine = flatConfig(run.config);
  const theirs = other && flatConfig(other.config);
  const keys = [...new Set([...mine.keys(), ...(theirs?.keys() ?? [])])];
  return (
    <section class="page">
      <div class="bar">
        <h1>Config of {run.id}</h1>
        <span class="grow" />
        <label>
          beside{' '}
          <select value={otherId ?? ''} onChange={(event) => setQuery({ with: event.currentTarget.value })}>
            <option value="">nothing</option>
            {runs.value
              ?.filter(({ id }) => id !== run.id)
              .map(({ id }) => (
                <option key={id}>{id}</option>
              ))}
          </select>
        </label>
      </div>
      <p class="soft">{run.path}</p>
      {keys.length === 0 && <p class="empty">This run has no config.json.</p>}
      <table class="config">
        <tbody>
          {keys.map((key) => {
            const differs = theirs !== undefined && mine.get(key) !== theirs.get(key);
            return (
              <tr key={key} class={differs ? 'differs' : ''}>
                <th scope="row">{key}</th>
                <td>
                  <VisibleText text={mine.get(key) ?? '–'} />
                </td>
                {theirs && (
                  <td>
                    <VisibleText text={theirs.get(key) ?? '–'} />
                  </td>
                )}
              </tr>
            );
          })}
        </tbody>
      </table>
    </section>
  );
}

/** Only what differs between runs. */
export function ConfigDifferences({ runs: shown }: { runs: readonly RunSummary[] }) {
  const differences = configDifferences(shown.map(({ config }) => config));
  if (differences.length === 0) return <p class="soft">The configs of these runs are the same.</p>;
  return (
    <details class="fold" open={differences.length <= 6}>
      <summary>
        {differences.length} {differences.length === 1 ? 'setting differs' : 'settings differ'}
      </summary>
      <div class="scroll" tabIndex={0} role="region" aria-label="Settings that differ">
        <table class="config">
          <thead>
            <tr>
              <th>setting</th>
              {shown.map(({ id }) => (
                <th key={id} scope="col">
                  {id}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {differences.map(([key, values]) => (
              <tr key={key}>
                <th scope="row">{key}</th>
                {values.map((value, i) => (
                  <td key={i}>
                    <VisibleText text={value ?? '–'} />
                  </td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </details>
  );
}
