"""How the page looks: light and dark, phone and desktop."""

STYLE = """
:root { color-scheme: light dark; --bg: #fff; --ink: #1c2024; --soft: #5b6470; --rule: #d9dde3; --card: #f6f7f9;
  --good: 25 135 84; --bad: 200 60 40;
  --c0: #0b62c4; --c1: #6aa5e8; --c2: #c2410c; --c3: #15803d; --c4: #8b8f97; --c5: #a16207; --c6: #7c3aed;
  --c7: #be185d; --c8: #c026d3; --c9: #4d5b00; --c10: #9f1239; --c11: #334155; }
@media (prefers-color-scheme: dark) { :root { --bg: #14171a; --ink: #e8eaed; --soft: #a3acb8; --rule: #343a42;
  --card: #1d2126; --good: 60 180 120; --bad: 240 110 90;
  --c0: #6cb2ff; --c1: #2f6fb3; --c2: #ff9a5c; --c3: #5fd08a; --c4: #90959e; --c5: #e0b040; --c6: #b79cff;
  --c7: #ff7ab8; --c8: #f5a3ff; --c9: #c3d14a; --c10: #ff8fa3; --c11: #cbd5e1; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--bg); color: var(--ink); font: 16px/1.5 system-ui, sans-serif; }
main { max-width: 1240px; margin: 0 auto; padding: 24px 16px 64px; }
h1 { font-size: 1.7rem; line-height: 1.2; margin: 0 0 4px; }
h2 { font-size: 1.25rem; margin: 44px 0 4px; border-top: 1px solid var(--rule); padding-top: 20px; }
h3 { font-size: 1rem; margin: 22px 0 4px; }
p, ul { max-width: 75ch; margin: 6px 0 12px; }
.soft, figcaption, caption { color: var(--soft); font-size: .88rem; }
.summary { background: var(--card); border: 1px solid var(--rule); border-radius: 8px; padding: 10px 16px 10px 34px;
  max-width: none; }
.scroll { overflow-x: auto; margin: 8px 0 16px; }
table { border-collapse: collapse; font-size: .9rem; font-variant-numeric: tabular-nums; }
caption { text-align: left; padding-bottom: 6px; }
th, td { padding: 4px 10px; border-bottom: 1px solid var(--rule); text-align: right; white-space: nowrap; }
th { font-weight: 600; }
thead th { vertical-align: bottom; color: var(--soft); white-space: normal; }
th[scope=row], thead th:first-child { text-align: left; position: sticky; left: 0; background: var(--bg); }
tr.best th, tr.best td { font-weight: 700; }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 440px), 1fr)); gap: 20px; }
figure { margin: 0; max-width: 620px; }
figcaption { margin: 2px 0 4px; }
figcaption b { color: var(--ink); }
svg { display: block; width: 100%; height: auto; }
svg text { font: 12.5px system-ui, sans-serif; fill: var(--soft); }
.middle { text-anchor: middle; } .end { text-anchor: end; }
.grid { stroke: var(--rule); stroke-width: 1; }
.mark { stroke: var(--soft); stroke-width: 1; stroke-dasharray: 3 3; }
.band { fill: var(--c0); opacity: .16; }
.line { fill: none; stroke: var(--c); stroke-width: 2; stroke-linejoin: round; }
.dot, .bar, .key { fill: var(--c); }
.actual { --c: var(--ink); } .actual.line { stroke-width: 1.4; } .ideal { --c: var(--soft); }
.ideal.line { stroke-dasharray: 4 4; stroke-width: 1.2; }
.t0 { --c: var(--c0); } .t1 { --c: var(--c1); } .t2 { --c: var(--c2); } .t3 { --c: var(--c3); } .t4 { --c: var(--c4); }
.t5 { --c: var(--c5); } .t6 { --c: var(--c6); } .t7 { --c: var(--c7); } .t8 { --c: var(--c8); } .t9 { --c: var(--c9); }
.t10 { --c: var(--c10); } .t11 { --c: var(--c11); }
.t1.line, .t5.line, .t9.line { stroke-dasharray: 6 3; } .t6.line, .t10.line { stroke-dasharray: 2 3; }
.t7.line, .t11.line { stroke-dasharray: 8 3 2 3; }
.legend { display: flex; flex-wrap: wrap; gap: 2px 16px; list-style: none; padding: 0; margin: 6px 0; font-size: .88rem;
  max-width: none; }
.legend svg { display: inline-block; width: 26px; height: 10px; margin-right: 6px; }
.heat td { background: rgb(var(--tone) / var(--depth)); }
@media (max-width: 600px) { svg text { font-size: 15px; } th, td { padding: 4px 7px; }
  th[scope=row] { white-space: normal; max-width: 38vw; min-width: 30vw; }
  main { padding: 16px 12px 48px; } }
@media print { .charts figure { break-inside: avoid; } }
"""
