import { effect, signal } from '@preact/signals';

/** how many colours there are for lines */
export const paletteSize = 8;

type Theme = 'auto' | 'light' | 'dark';

const order: readonly Theme[] = ['auto', 'light', 'dark'];
const dark = matchMedia('(prefers-color-scheme: dark)');

export const theme = signal<Theme>(stored());
/** what is shown: charts take their colours from the style sheet when it changes */
export const colorScheme = signal<'light' | 'dark'>('light');

export function nextTheme(): void {
  theme.value = order[(order.indexOf(theme.value) + 1) % order.length] as Theme;
}

const update = () => {
  const scheme = theme.value === 'auto' ? (dark.matches ? 'dark' : 'light') : theme.value;
  document.documentElement.dataset['theme'] = scheme;
  colorScheme.value = scheme;
  try {
    localStorage.setItem('tapo-theme', theme.value);
  } catch {
    // a page from a file may have no storage
  }
};
effect(update);
dark.addEventListener('change', update);

function stored(): Theme {
  try {
    const found = localStorage.getItem('tapo-theme') as Theme | null;
    return found !== null && order.includes(found) ? found : 'auto';
  } catch {
    return 'auto';
  }
}
