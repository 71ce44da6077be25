import { flags, printable } from '@tapo/trainer/view';
import type { FlagName, TrajectoryFilter } from '@tapo/trainer/view';
import { useEffect, useRef } from 'preact/hooks';
import { setQuery } from '../router.js';

export interface FilterBarProps {
  filter: TrajectoryFilter;
  sources: readonly string[];
  /** words in the search field */
  placeholder: string;
}

/** Filters of trajectories; they live in the address. */
export function FilterBar({ filter, sources, placeholder }: FilterBarProps) {
  // not a controlled field: what is being typed outlives the rows that arrive meanwhile
  const search = useRef<HTMLInputElement>(null);
  useEffect(() => {
    if (search.current) search.current.value = filter.text ?? '';
  }, [filter.text]);
  const toggle = (name: FlagName) => {
    const { flags: chosen } = filter;
    const next = chosen.includes(name) ? chosen.filter((other) => other !== name) : [...chosen, name];
    setQuery({ flags: next.join(',') });
  };
  return (
    <div class="filters">
      <input
        ref={search}
        type="search"
        placeholder={placeholder}
        aria-label={placeholder}
        onChange={(event) => setQuery({ text: event.currentTarget.value })}
      />
      <select
        aria-label="Source"
        value={filter.source ?? ''}
        onChange={(event) => setQuery({ source: event.currentTarget.value })}
      >
        <option value="">every source</option>
        {sources.map((source) => (
          <option key={source} value={source}>
            {printable(source)}
          </option>
        ))}
      </select>
      <ul class="chips" aria-label="Filters">
        {(Object.keys(flags) as FlagName[]).map((name) => (
          <li key={name}>
            <button type="button" aria-pressed={filter.flags.includes(name)} onClick={() => toggle(name)}>
              {flags[name].label}
            </button>
          </li>
        ))}
      </ul>
    </div>
  );
}
