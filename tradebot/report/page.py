"""The report as one HTML file that needs nothing else: pictures inside, no script, and no request leaves it.

Every string that is not ours is escaped; a content policy in the page forbids what that might miss.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from string import Template

import numpy as np

from tradebot.backtest.engine import Backtest, Track
from tradebot.prices.bars import Bars
from tradebot.report.tables import baselines, label, readable, show, span, summary_html
from tradebot.stats.metrics import METRICS, spread


def render(
    backtests: Sequence[Backtest],
    figures: Mapping[str, bytes],
    *,
    title: str,
    facts: Mapping[str, str],
    learning: Mapping[str, bytes] | None = None,
) -> str:
    """The page.

    figures, learning: caption -> PNG. facts: how the result came about, name -> value; that of `command` is
    what a reader types to get it again. Raises InputError if the backtests are of different bars.
    """
    return _PAGE.substitute(
        title=escape(title),
        span=escape(span(backtests)),
        data=escape(_data(backtests[0].bars)),
        warning=_warning(backtests),
        findings=_findings(backtests),
        table=summary_html(backtests),
        figures=_figures(figures),
        learning=_LEARNING.substitute(figures=_figures(learning)) if learning else "",
        costs=_pairs(_costs(backtests)),
        facts=_pairs((escape(name), _fact(name, value)) for name, value in facts.items()),
        metrics=_pairs(
            (f"{readable(name)} <code>{name}</code>", escape(text)) for name, text in METRICS.items()
        ),
    )


def _warning(backtests: Sequence[Backtest]) -> str:
    names = [escape(backtest.name) for backtest in backtests if backtest.in_sample]
    if not names:
        return ""
    return (
        '<p class="warning" role="note"><strong>In-sample.</strong> Some or all of these bars were used to '
        f"train {', '.join(names)}. What was earned on them says what was remembered, not what would be "
        "earned on prices never seen.</p>"
    )


def _data(bars: Bars) -> str:
    kind = "adjusted" if bars.adjusted else "raw"
    return f"{len(bars):,} bars, {kind} prices, source: {bars.source or 'not stated'}"


def _findings(backtests: Sequence[Backtest]) -> str:
    """What came out, how far luck may have made it, and what it is compared with: in words."""
    paragraphs = [_finding(backtest) for backtest in backtests]
    if rivals := [f"{escape(name)} {_returned(track)}" for name, track in baselines(backtests).items()]:
        paragraphs.append(f"Compared with, on the same bars and after the same costs: {', '.join(rivals)}.")
    return "\n".join(f"<p>{paragraph}</p>" for paragraph in paragraphs)


def _finding(backtest: Backtest) -> str:
    text = f"<strong>{escape(label(backtest))}</strong> returned {_returned(backtest.ensemble)} after costs."
    returns = np.array([member.metrics["total_return"] for member in backtest.members])
    if len(returns) == 1:
        return f"{text} It is a single account: there is no spread over seeds to judge it by."
    over = {key: show("total_return", value) for key, value in spread(returns).items()}
    text += f" Of its {len(returns)} seeds, each trading alone, the median returned {over['median']}"
    text += f" and the middle half {over['q25']} to {over['q75']}"
    if "buy_and_hold" in backtest.baselines:
        hold = backtest.baselines["buy_and_hold"].metrics["total_return"]
        text += f"; {(returns > hold).sum()} of {len(returns)} ended above buy_and_hold"
    return text + "."


def _returned(track: Track) -> str:
    total, sharpe = (show(metric, track.metrics[metric]) for metric in ("total_return", "sharpe"))
    return f"{total} (Sharpe {sharpe})"


def _figures(figures: Mapping[str, bytes]) -> str:
    return "\n".join(_figure(escape(caption), image) for caption, image in figures.items())


def _figure(caption: str, image: bytes) -> str:
    source = f"data:image/png;base64,{base64.b64encode(image).decode()}"
    return f'<figure><img alt="{caption}" src="{source}"><figcaption>{caption}</figcaption></figure>'


def _costs(backtests: Sequence[Backtest]) -> Iterable[tuple[str, str]]:
    """(Setting, its value and meaning), with the backtest's name where not all pay the same."""
    alike = all(backtest.costs == backtests[0].costs for backtest in backtests)
    for backtest in backtests[:1] if alike else backtests:
        fields = type(backtest.costs).model_fields
        for name, value in backtest.costs.model_dump().items():
            owner = "" if alike else f"{escape(backtest.name)}: "
            yield f"{owner}<code>{escape(name)}</code>", escape(f"{value} ({fields[name].description})")


def _fact(name: str, value: str) -> str:
    return f"<pre>{escape(value)}</pre>" if name == "command" else escape(value)


def _pairs(pairs: Iterable[tuple[str, str]]) -> str:
    """A definition list of HTML that is escaped already."""
    return "<dl>\n" + "\n".join(f"<dt>{term}</dt><dd>{text}</dd>" for term, text in pairs) + "\n</dl>"


_LEARNING = Template("""<h2>Learning</h2>
<p>Measured while it trained. A rising curve says that something was learned, not that it earns on other
prices.</p>
$figures
""")

_PAGE = Template("""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy"
  content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<title>$title</title>
<style>
:root {
  --page: #ffffff; --ink: #1d2329; --soft: #5b6570; --line: #d5dadf; --box: #f4f6f8;
  --warn: #fdecdc; --edge: #d55e00;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #14181c; --ink: #e4e8ec; --soft: #a0abb6; --line: #39424b; --box: #1d2329;
    --warn: #3a2413; --edge: #e9843a;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0 auto; padding: 1.5rem 1rem 4rem; max-width: 62rem; overflow-wrap: anywhere;
  background: var(--page); color: var(--ink);
  font: 1rem/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif;
}
h1 { font-size: 1.7rem; line-height: 1.25; margin: 0 0 .25rem; }
h2 { font-size: 1.2rem; margin: 2.5rem 0 .5rem; padding-top: .75rem; border-top: 1px solid var(--line); }
p { max-width: 46rem; }
small, caption, figcaption, .data { color: var(--soft); }
.data { margin-top: 0; }
.warning {
  max-width: none; padding: .75rem 1rem; background: var(--warn); border-left: 4px solid var(--edge);
}
.scroll { overflow-x: auto; border: 1px solid var(--line); border-radius: 6px; margin: 1.25rem 0; }
.scroll p { margin: .6rem .75rem; }
table { border-collapse: collapse; width: 100%; font-size: .875rem; font-variant-numeric: tabular-nums; }
caption { text-align: left; padding: .6rem .75rem; }
th, td {
  padding: .35rem .75rem; border-top: 1px solid var(--line); text-align: right; vertical-align: top;
  line-height: 1.35; white-space: nowrap; overflow-wrap: normal;
}
thead th { white-space: normal; min-width: 7rem; vertical-align: bottom; }
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
$figures
<h2>All metrics</h2>
<div class="scroll" tabindex="0" role="region" aria-label="All metrics">
$table
</div>
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
</body>
</html>
""")
