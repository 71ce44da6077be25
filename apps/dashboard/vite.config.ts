import { defineConfig } from 'vite';

export default defineConfig({
  base: './',
  esbuild: { jsx: 'automatic', jsxImportSource: 'preact' },
  resolve: { conditions: ['tapo-source', 'module', 'browser', 'production'] },
  build: {
    // into the package that serves it
    outDir: '../trainer/dist/dashboard',
    emptyOutDir: true,
    target: 'es2022',
    modulePreload: false,
    // one script and one style sheet: `tapo view --export` puts both into a single file
    cssCodeSplit: false,
    rollupOptions: {
      output: { entryFileNames: 'dashboard.js', assetFileNames: 'dashboard[extname]', inlineDynamicImports: true },
    },
  },
});
