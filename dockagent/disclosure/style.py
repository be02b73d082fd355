"""How a package's pages look: one style sheet, inside each page, for screens and for paper. No network, no script."""

STYLE = """
:root { --ink: #1b1f24; --dim: #5b6570; --line: #d5dae0; --paper: #fff; --soft: #f4f6f8;
  --good: #17663a; --bad: #a3151f; --open: #6b5200; }
* { box-sizing: border-box; }
html { font: 16px/1.5 "Source Sans 3", "Segoe UI", "Liberation Sans", Arial, sans-serif; color: var(--ink); }
body { max-width: 60rem; margin: 0 auto; padding: 2rem 1.25rem 4rem; background: var(--paper); }
h1 { font-size: 1.7rem; line-height: 1.2; margin: 0 0 .3rem; overflow-wrap: anywhere; }
h2 { font-size: 1.15rem; margin: 2.2rem 0 .6rem; padding-bottom: .25rem; border-bottom: 2px solid var(--ink); }
h3 { font-size: 1rem; margin: 0; }
p { margin: .4rem 0; }
a { color: #0b4f9e; overflow-wrap: anywhere; }
.over { color: var(--dim); font-size: .85rem; letter-spacing: .06em; text-transform: uppercase; margin: 0; }
.dim { color: var(--dim); }
dl { display: grid; grid-template-columns: 11rem 1fr; gap: .2rem 1rem; margin: .6rem 0; }
dt { color: var(--dim); }
dd { margin: 0; overflow-wrap: anywhere; }
code, pre, .mono { font: .82rem/1.45 "Source Code Pro", "DejaVu Sans Mono", "Liberation Mono", monospace; }
pre { background: var(--soft); border: 1px solid var(--line); border-radius: 4px; padding: .5rem .7rem; margin: .3rem 0;
  white-space: pre-wrap; overflow-wrap: anywhere; }
.warn { border: 2px solid var(--bad); border-radius: 4px; padding: .6rem .9rem; margin: 1rem 0; color: var(--bad);
  font-weight: 600; }
.verdict { border: 1px solid var(--line); border-left: 6px solid var(--open); border-radius: 4px; padding: .7rem 1rem;
  margin: .8rem 0; }
.verdict.pass { border-left-color: var(--good); }
.verdict.fail { border-left-color: var(--bad); }
.verdict header { display: flex; justify-content: space-between; gap: 1rem; align-items: baseline; }
.word { font-weight: 700; white-space: nowrap; }
.pass > header .word { color: var(--good); } .fail > header .word { color: var(--bad); }
.unknown > header .word, .unsigned > header .word { color: var(--open); }
.check { margin: .6rem 0 0; }
.prints { color: var(--dim); font-size: .88rem; overflow-wrap: anywhere; margin: 0; }
h2 ~ h3 { margin-top: 1.4rem; }
table { border-collapse: collapse; width: 100%; margin: .5rem 0; }
th { text-align: left; color: var(--dim); font-weight: 600; border-bottom: 1px solid var(--ink); }
th, td { padding: .3rem .7rem .3rem 0; vertical-align: top; }
td { border-bottom: 1px solid var(--line); overflow-wrap: anywhere; }
td.when, td.number { white-space: nowrap; font-variant-numeric: tabular-nums; }
.number { text-align: right; }
.timeline { table-layout: fixed; }
.timeline th.number { width: 4.5rem; } .timeline th.when { width: 12rem; } .timeline th.who { width: 6.5rem; }
.board { position: relative; margin: .6rem 0; border: 1px solid var(--line); }
.board img { display: block; width: 100%; height: auto; }
.board span { position: absolute; background: rgba(0, 0, 0, .72); color: #fff; font-size: .62rem; line-height: 1.3;
  padding: 0 .25em; font-variant-numeric: tabular-nums; }
@media (max-width: 40rem) { dl { grid-template-columns: 1fr; gap: 0; } dd { margin-bottom: .4rem; }
  .verdict header { display: block; } }
@media screen and (max-width: 40rem) { .timeline, .timeline tbody, .timeline tr, .timeline td { display: block; }
  .timeline thead { display: none; } .timeline tr { padding: .4rem 0; border-bottom: 1px solid var(--line); }
  .timeline td { padding: 0; border: 0; text-align: left; } }
@page { size: A4; margin: 18mm 16mm; @bottom-right { content: counter(page) " / " counter(pages); font-size: 9pt; } }
@media print {
  html { font-size: 10.5pt; } body { max-width: none; padding: 0; }
  a { color: inherit; text-decoration: none; }
  h2, h3 { break-after: avoid; } tr, .board { break-inside: avoid; }
  .verdict > header { break-after: avoid; }
  article.clip { break-before: page; }
  * { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
}
"""
