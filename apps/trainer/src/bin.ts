#!/usr/bin/env node
import { main } from './cli/main.js';

// Workers and child processes may be all that is waited for, and they do not keep Node running.
const running = setInterval(() => {}, 2 ** 30);
process.exitCode = await main(process.argv.slice(2));
clearInterval(running);
