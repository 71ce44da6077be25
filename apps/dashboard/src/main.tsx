import { render } from 'preact';
import 'uplot/dist/uPlot.min.css';
import { App } from './app.js';
import { startLoading } from './data/runs.js';
import './style.css';

startLoading();
render(<App />, document.getElementById('app') as HTMLElement);
