/** The report's only style sheet; colours are variables so that light and dark differ in one place. */
export const STYLE = `
:root { color-scheme: light dark; --paper: #fbfaf8; --card: #fff; --ink: #24272b; --soft: #6b7077; --faint: #e7e4de;
  --accent: #2a7d76; --was: #a4a09a; --right: #2a7d76; --wrong: #b4543f; --call: #3f66a8; --response: #8a6d2f;
  --s0: #2a7d76; --s1: #c2703d; --s2: #4a6fa5; --s3: #9b5c8f; --s4: #7d8a2e; --s5: #777b82; }
@media (prefers-color-scheme: dark) { :root { --paper: #16181b; --card: #1d2024; --ink: #dcdee1; --soft: #9aa0a8; --faint: #2c3036;
  --accent: #63b8af; --was: #6d7178; --right: #63b8af; --wrong: #dd8a75; --call: #88aae0; --response: #cdb06c;
  --s0: #63b8af; --s1: #e0986a; --s2: #88aae0; --s3: #c690bb; --s4: #b3c063; --s5: #a2a7ae; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 16px/1.55 ui-sans-serif, system-ui, "Segoe UI", Roboto, "Helvetica Neue", sans-serif; }
main { max-width: 66rem; margin: 0 auto; padding: 3.5rem 1.5rem 5rem; }
h1 { font-size: 1.9rem; font-weight: 640; letter-spacing: -0.015em; line-height: 1.2; margin: 0 0 .5rem; }
h2 { font-size: 1.1rem; font-weight: 620; margin: 3.2rem 0 1rem; }
p { margin: 0 0 .8rem; } .lead { font-size: 1.08rem; max-width: 46rem; }
.note, .facts { color: var(--soft); font-size: .86rem; }
.facts span { white-space: nowrap; margin-right: 1.1rem; } .facts b { color: var(--ink); font-weight: 550; }
.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(13rem, 1fr)); gap: 1rem; margin-top: 2rem; }
.figure, .chart, .trajectory { background: var(--card); border: 1px solid var(--faint); border-radius: 10px; }
.figure { padding: 1rem 1.2rem 1.1rem; } .figure h3 { margin: 0; font-size: .86rem; font-weight: 500; color: var(--soft); }
.figure .value { font-size: 1.75rem; font-weight: 620; letter-spacing: -0.02em; line-height: 1.35; font-variant-numeric: tabular-nums; }
.value .was, td .was { color: var(--soft); font-weight: 400; } .value .was { font-size: 1.15rem; }
.scroll { overflow-x: auto; } table { border-collapse: collapse; width: 100%; font-size: .92rem; font-variant-numeric: tabular-nums; }
th { font-weight: 500; text-align: left; } thead th { color: var(--soft); font-size: .82rem; }
td, th { padding: .42rem .7rem; border-bottom: 1px solid var(--faint); white-space: nowrap; } td:first-child, th:first-child { padding-left: 0; }
.number { text-align: right; } .scale { width: 17rem; min-width: 13rem; } .total th, .total td { border-bottom: 0; font-weight: 620; } .change { color: var(--soft); }
svg { display: block; width: 100%; height: auto; overflow: visible; } .axis { stroke: var(--faint); fill: none; }
.tick { fill: var(--soft); font-size: 10.5px; } .line { fill: none; stroke: currentColor; stroke-width: 1.8; stroke-linejoin: round; stroke-linecap: round; }
.raw { stroke-width: 1; opacity: .28; } .dot { fill: currentColor; }
${[0, 1, 2, 3, 4, 5].map((i) => `.s${i} { color: var(--s${i}); }`).join(' ')}
.interval { stroke-width: 2; stroke-linecap: round; } path.was { stroke: var(--was); } path.is { stroke: var(--accent); opacity: .55; }
circle.was { fill: var(--paper); stroke: var(--was); stroke-width: 2; } circle.is { fill: var(--accent); }
.ring, .disc { display: inline-block; width: .62rem; height: .62rem; border-radius: 50%; border: 2px solid var(--was); } .disc { background: var(--accent); border-color: var(--accent); }
.charts { display: grid; grid-template-columns: repeat(auto-fill, minmax(18rem, 1fr)); gap: 1rem; }
.chart { margin: 0; padding: .8rem 1rem .7rem; } figcaption { display: flex; justify-content: space-between; gap: 1rem; font-size: .86rem; color: var(--soft); margin-bottom: .35rem; }
figcaption b { color: var(--ink); font-weight: 600; } .legend { display: flex; flex-wrap: wrap; gap: .1rem .9rem; font-size: .8rem; margin-top: .3rem; } .legend b { font-weight: 600; }
details > summary { cursor: pointer; } .fold { margin-top: 1rem; } .fold > summary { color: var(--soft); font-size: .9rem; margin-bottom: 1rem; }
.trajectory { margin-bottom: .7rem; } .trajectory summary { display: flex; gap: .8rem; align-items: baseline; padding: .75rem 1.1rem; list-style: none; }
.trajectory summary::-webkit-details-marker { display: none; } .question { flex: 1; unicode-bidi: isolate; overflow-wrap: anywhere; }
.mark { font-size: .8rem; font-weight: 600; min-width: 2.9rem; } .right { color: var(--right); } .wrong { color: var(--wrong); }
.chips span { font-size: .78rem; color: var(--soft); border: 1px solid var(--faint); border-radius: 99px; padding: .1rem .55rem; margin-left: .35rem; white-space: nowrap; }
.blocks { padding: .2rem 1.1rem .9rem; } .block { border-left: 3px solid var(--faint); padding: .15rem 0 .15rem .9rem; margin-bottom: .7rem; }
.tag { font-size: .75rem; color: var(--soft); } .block pre { margin: .1rem 0 0; white-space: pre-wrap; overflow-wrap: anywhere; unicode-bidi: isolate; font: .88rem/1.5 ui-monospace, "SF Mono", Menlo, Consolas, monospace; }
.think pre, .text pre { font-family: inherit; color: var(--soft); } .call { border-color: var(--call); } .call .tag { color: var(--call); }
.response { border-color: var(--response); } .response .tag { color: var(--response); } .answer { border-color: var(--accent); } .answer .tag { color: var(--accent); } .answer pre { font-weight: 600; }
.forged, .text { border-color: var(--wrong); } .forged .tag, .text .tag { color: var(--wrong); }
.config { font: .82rem/1.5 ui-monospace, "SF Mono", Menlo, Consolas, monospace; white-space: pre-wrap; overflow-wrap: anywhere; background: var(--card); border: 1px solid var(--faint); border-radius: 10px; padding: 1rem; margin: 0; }
@media print { body { background: #fff; } .chart, .trajectory, .figure { break-inside: avoid; } }
`;
