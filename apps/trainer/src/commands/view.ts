import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { colors } from '../cli/colors.js';
import type { Command } from '../cli/command.js';
import { integerOption, textOption, UsageError } from '../cli/command.js';
import { loadAssets } from '../view/assets.js';
import { exportPage } from '../view/export.js';
import { serveRuns } from '../view/server.js';

export const viewCommand: Omit<Command, 'summary'> = {
  positionals: { 'RUN...': 'run directories, or directories with runs in them (default: runs)' },
  options: {
    port: { type: 'string', short: 'p', value: 'N', description: 'default: 4747, or any free port if that is taken' },
    export: { type: 'string', value: 'FILE', description: 'write one self-contained HTML file instead of serving' },
    steps: { type: 'string', value: 'N', description: 'with --export: steps whose trajectories go along (default 20)' },
  },
  details:
    'Serves on this machine only, reads only, and sends nothing anywhere. Runs that are still training update live.',
  examples: ['tapo view', 'tapo view runs/lower runs/higher', 'tapo view runs/quickstart --export quickstart.html'],
  async run({ positionals, options, ...input }) {
    const places = positionals.length > 0 ? positionals : ['runs'];
    const missing = places.find((place) => !existsSync(place));
    if (missing !== undefined) {
      throw new UsageError(`no such directory: ${missing}`, 'tapo train and tapo quickstart write runs into runs/');
    }
    const asked = { positionals, options, ...input };
    const assets = await loadAssets({ note: (message) => console.error(colors.dim(message)) });
    const file = textOption(asked, 'export');
    if (file !== undefined) {
      const { html, note } = await exportPage(places, assets, { steps: integerOption(asked, 'steps') ?? 20 });
      await writeFile(file, html);
      console.log(`${file}: ${(html.length / 1e6).toFixed(1)} MB, ${note}`);
      return;
    }
    const port = integerOption(asked, 'port');
    const server = await serveRuns(places, assets, { port: port ?? 4747 }).catch((error: unknown) => {
      if (port === undefined && error instanceof UsageError) return serveRuns(places, assets);
      throw error;
    });
    console.log(`${colors.bold(server.url)}  ${colors.dim('Ctrl-C ends')}`);
    await new Promise<void>((resolve) => {
      process.once('SIGINT', () => resolve());
      process.once('SIGTERM', () => resolve());
    });
    await server.close();
  },
};
