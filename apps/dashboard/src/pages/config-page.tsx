import { flatConfig, printable } from '@tapo/trainer/view';
import type { RunSummary } from '@tapo/trainer/view';
import { configDifferences } from '../data/config.js';
import { runs } from '../data/runs.js';
import { route, setQuery } from '../router.js';
import { VisibleText } from '../visible-text.js';

/** The resolved config of a run, section by section; or beside another run's. */
export function ConfigPage({ run }: { run: RunSummary }) {
  const { query } = route.value;
  const otherId = query.get('with');
  const other = runs.value?.find(({ id }) => id === otherId);
  const onlyDifferent = query.get('only') === 'different';
  return (
    <section class="page">
      <div class="bar">
        <h1>Config</h1>
        <span class="soft path">
          <VisibleText text={run.path} />
        </span>
        <span class="grow" />
        {other && (
          <label>
            <input
              type="checkbox"
              checked={onlyDifferent}
              onChange={() => setQuery({ only: onlyDifferent ? undefined : 'different' })}
            />
            only what differs
          </label>
        )}
        <label>
          beside{' '}
          <select value={otherId ?? ''} onChange={(event) => setQuery({ with: event.currentTarget.value })}>
            <option value="">nothing</option>
            {runs.value
              ?.filter(({ id }) => id !== run.id)
              .map(({ id }) => (
                <option key={id} value={id}>
                  {printable(id)}
                </option>
              ))}
          </select>
        </label>
      </div>
      {run.config === null && <p class="empty">This run has no config.json.</p>}
      {other ? <TwoConfigs run={run} other={other} onlyDifferent={onlyDifferent} /> : <OneConfig run={run} />}
    </section>
  );
}

function OneConfig({ run }: { run: RunSummary }) {
  const sections = new Map<string, [key: string, value: string][]>();
  for (const [key, value] of flatConfig(run.config)) {
    const dot = key.indexOf('.');
    const section = dot < 0 ? 'run' : key.slice(0, dot);
    sections.set(section, [...(sections.get(section) ?? []), [key.slice(dot + 1), value]]);
  }
  return (
    <div class="config-sections">
      {[...sections].map(([section, entries]) => (
        <table key={section} class="config">
          <caption>
            <VisibleText text={section} />
          </caption>
          <tbody>
            {entries.map(([key, value]) => (
              <tr key={key}>
                <th scope="row">
                  <VisibleText text={key} />
                </th>
                <td>
                  <VisibleText text={value} />
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      ))}
    </div>
  );
}

function TwoConfigs({ run, other, onlyDifferent }: { run: RunSummary; other: RunSummary; onlyDifferent: boolean }) {
  const [mine, theirs] = [flatConfig(run.config), flatConfig(other.config)];
  const differs = (key: string) => mine.get(key) !== theirs.get(key);
  const keys = [...new Set([...mine.keys(), ...theirs.keys()])].filter((key) => !onlyDifferent || differs(key));
  if (keys.length === 0) return <p class="empty">These configs are the same.</p>;
  return (
    <div class="scroll" tabIndex={0} role="region" aria-label="Two configs">
      <table class="config">
        <thead>
          <tr>
            <th>setting</th>
            {[run, other].map(({ id }) => (
              <th key={id} scope="col">
                <VisibleText text={id} />
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {keys.map((key) => (
            <tr key={key} class={differs(key) ? 'differs' : ''}>
              <th scope="row">
                <VisibleText text={key} />
              </th>
              {[mine, theirs].map((config, i) => (
                <td key={i}>
                  <VisibleText text={config.get(key) ?? '–'} />
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
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
                  <VisibleText text={id} />
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {differences.map(([key, values]) => (
              <tr key={key}>
                <th scope="row">
                  <VisibleText text={key} />
                </th>
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
