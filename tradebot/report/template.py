"""The skeleton of the page: markup, style and the script that draws the charts."""

from __future__ import annotations

from string import Template

LEARNING = Template("""<h2>Learning</h2>
<p>Measured while it trained. A rising curve says that something was learned, not that it earns on other
prices.</p>
$figures
""")

ACCOUNT = Template("""$heading
<$level>Returns by month</$level>
<div class="scroll" tabindex="0" role="region" aria-label="$name: returns by month">
$months
</div>
<$level>Trades</$level>
<div class="scroll tall" tabindex="0" role="region" aria-label="$name: trades">
$trades
</div>
""")

SCRIPT = """
(() => {
  "use strict";
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const data = document.getElementById("chart-data").textContent;
  let text = data;
  if (dark.matches)
    for (const [light, colour] of Object.entries(JSON.parse(data).dark))
      text = text.replaceAll(`"${light}"`, `"${colour}"`);
  const {documents, items} = JSON.parse(text);
  Bokeh.set_log_level("warn");
  // Fits a logarithmic axis to what is seen, as bokeh does with linear ones.
  const fit = (figure) => {
    const {start, end} = figure.x_range;
    let low = Infinity, high = 0;
    for (const line of figure.renderers)
      if (line.visible && line.glyph.type === "Line") {
        const x = line.data_source.get_array("x"), y = line.data_source.get_array(line.glyph.y.field);
        for (let i = 0; i < x.length; i++)
          if (start <= x[i] && x[i] <= end) {
            low = Math.min(low, y[i]);
            high = Math.max(high, y[i]);
          }
      }
    if (low > high) return;
    const margin = Math.max(high / low, 1.04) ** 0.05;
    figure.y_range.setv({start: Math.min(low, high / 1.04) / margin, end: high * margin});
  };
  Bokeh.embed.embed_items(documents, items).then(() => {
    const drawn = Bokeh.documents[0];
    const figures = drawn.roots().flatMap((root) => root.children.map(([figure]) => figure));
    const money = figures.filter((figure) => figure.y_scale.type === "LogScale");
    const fit_all = () => requestAnimationFrame(() => money.forEach(fit));  // after a reset too
    figures[0].x_range.change.connect(fit_all);
    money.forEach(fit);
    for (const button of document.querySelectorAll(".legend button"))
      button.addEventListener("click", () => {
        const shown = button.getAttribute("aria-pressed") !== "true";
        button.setAttribute("aria-pressed", shown);
        for (const name of button.dataset.names.split(" "))
          drawn.get_model_by_name(name).visible = shown;
        money.forEach(fit);
      });
    if (matchMedia("(pointer: coarse)").matches)  // a finger scrolls the page until a tool is chosen
      for (const root of drawn.roots())
        for (const tool of root.toolbar.tools)
          if (tool.active) tool.active = false;
    for (const element of document.querySelectorAll(".legend, .hint")) element.hidden = false;
  });
  dark.addEventListener("change", () => location.reload());
})();
"""

PAGE = Template("""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy"
  content="$policy">
<title>$title</title>
<style>
:root {
  color-scheme: light dark;
  --page: #ffffff; --ink: #1d2329; --soft: #5b6570; --line: #d5dadf; --box: #f4f6f8;
  --warn: #fdecdc; --edge: #d55e00; --shade: #00000038;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #14181c; --ink: #e4e8ec; --soft: #a0abb6; --line: #39424b; --box: #1d2329;
    --warn: #3a2413; --edge: #e9843a; --shade: #ffffff3d;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0 auto; padding: 1.5rem 1rem 4rem; max-width: 62rem; overflow-wrap: anywhere;
  background: var(--page); color: var(--ink);
  font: 1rem/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif;
}
h1 { font-size: 1.7rem; line-height: 1.25; margin: 0 0 .25rem; }
h3 { font-size: 1rem; margin: 1.75rem 0 .5rem; }
h2 { font-size: 1.2rem; margin: 2.5rem 0 .5rem; padding-top: .75rem; border-top: 1px solid var(--line); }
p { max-width: 46rem; }
small, caption, figcaption, .data { color: var(--soft); }
.data { margin-top: 0; }
.warning {
  max-width: none; padding: .75rem 1rem; background: var(--warn); border-left: 4px solid var(--edge);
}
/* The edge is shaded until a cover, which scrolls with the table, has come to its end. */
.scroll {
  overflow-x: auto; border: 1px solid var(--line); border-radius: 6px; margin: 1.25rem 0;
  background:
    linear-gradient(to left, var(--page) 1.75rem, transparent) right / 3.5rem 100% no-repeat local,
    linear-gradient(to left, var(--shade), transparent) right / 1.75rem 100% no-repeat scroll;
}
.scroll p { margin: .6rem .75rem; }
/* Borders that collapse stay behind when a sticky cell moves. */
table {
  border-collapse: separate; border-spacing: 0; width: 100%;
  font-size: .875rem; font-variant-numeric: tabular-nums;
}
caption { text-align: left; padding: .6rem .75rem; max-width: calc(100vw - 2rem); }
th, td {
  padding: .35rem .6rem; border-top: 1px solid var(--line); text-align: right; vertical-align: top;
  line-height: 1.35; white-space: nowrap; overflow-wrap: normal;
}
thead th { white-space: normal; min-width: 6rem; vertical-align: bottom; }
tbody th { text-align: left; font-weight: 600; position: sticky; left: 0; background: var(--page); }
figure { margin: 1.5rem 0; }
img {
  display: block; width: 100%; height: auto; padding: .5rem; background: #ffffff;
  border: 1px solid var(--line); border-radius: 6px;
}
figcaption { font-size: .875rem; margin-top: .35rem; }
dl { display: grid; grid-template-columns: minmax(9rem, 15rem) 1fr; gap: .35rem 1.25rem; margin: .75rem 0; }
dt { font-weight: 600; }
dt code { font-weight: 400; color: var(--soft); }
dd { margin: 0; min-width: 0; }
pre { margin: 0; padding: .6rem .75rem; background: var(--box); border-radius: 6px; white-space: pre-wrap; }
.chart { min-width: 0; margin: .25rem 0 0; }
.legend { display: flex; flex-wrap: wrap; gap: .25rem .4rem; margin: .5rem 0 0; }
.legend[hidden], .hint[hidden] { display: none; }
.legend button {
  display: inline-flex; align-items: center; gap: .4rem; padding: .2rem .55rem; max-width: 100%;
  color: var(--ink); background: none; border: 1px solid var(--line); border-radius: 999px;
  font: inherit; font-size: .8125rem; line-height: 1.4; text-align: left; cursor: pointer;
}
.legend button[aria-pressed="false"] { opacity: .5; text-decoration: line-through; }
.swatch { flex: none; width: 1.4rem; border-top: 3px solid; }
.swatch.dashed { border-top-style: dashed; }
.swatch.dotted { border-top-style: dotted; }
.swatch.band { border-top-width: .7rem; opacity: .35; }
.hint { margin: .4rem 0 0; color: var(--soft); font-size: .875rem; }
.tall { max-height: 26rem; overflow-y: auto; }
.tall thead th { position: sticky; top: 0; background: var(--page); }
table.narrow td, table.narrow th { padding: .3rem .5rem; min-width: 0; }
@media (max-width: 40rem) {
  dl { grid-template-columns: 1fr; gap: 0; }
  dd { margin-bottom: .6rem; }
  table { font-size: .8125rem; }
}
</style>
</head>
<body>
<header>
<h1>$title</h1>
<p class="data">$span<br>$data</p>
</header>
$warning
<main>
$findings
$study
$still
$chart
<h2>All metrics</h2>
<div class="scroll" tabindex="0" role="region" aria-label="All metrics">
$table
</div>
$hinges
$accounts
$learning
<h2>Costs</h2>
<p>Every number on this page is after these costs, those of the baselines too.</p>
$costs
<h2>How it was made</h2>
$facts
<h2>What the numbers mean</h2>
<p>A dash stands where a number has no value, as for the Sharpe ratio of an account that never moved.</p>
$metrics
</main>
<script type="application/json" id="chart-data">$document</script>
<script>$library</script>
<script>$script</script>
</body>
</html>
""")
