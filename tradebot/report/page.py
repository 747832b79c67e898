"""The report as one HTML file that needs nothing else: charts and pictures inside, and no request leaves it.

Every string that is not ours is escaped; a content policy in the page, which knows its two scripts by their
hashes, forbids what that might miss.
"""

from __future__ import annotations

import base64
import hashlib
import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from html import escape

import numpy as np
from bokeh.resources import Resources

from tradebot.backtest.engine import Backtest, Track
from tradebot.evidence.sensitivity import Sensitivity
from tradebot.evidence.verdict import Verdict
from tradebot.market.configs import Broker
from tradebot.market.costs import Costs
from tradebot.prices.bars import Bars
from tradebot.report.chart import Block, charts
from tradebot.report.history import monthly_html, trades_html
from tradebot.report.sensitivity import section
from tradebot.report.tables import baselines, label, readable, show, span, summary_html
from tradebot.report.template import ACCOUNT, LEARNING, PAGE, SCRIPT
from tradebot.report.verdict import verdict_html
from tradebot.stats.metrics import METRICS, spread

_HINT = (
    "Drag to move, Ctrl and wheel (or two fingers) to zoom, all charts together; a name above hides its "
    "line. On a touch screen choose a tool first."
)


def render(
    backtests: Sequence[Backtest],
    *,
    title: str,
    facts: Mapping[str, str],
    study: str = "",
    still: tuple[str, bytes] | None = None,
    learning: Mapping[str, bytes] | None = None,
    verdicts: Sequence[Verdict | None] = (),
    hinges: Sequence[Sensitivity] = (),
) -> str:
    """The page.

    facts: how the result came about, name -> value; commands are shown as such. study: HTML of a
    section of what else was found. still: caption and PNG for a reader without JavaScript. learning:
    caption -> PNG. verdicts, hinges: one for each backtest, if any. The same arguments give the same
    characters. Raises InputError if the backtests are of different bars.
    """
    drawn = charts(backtests)
    first, *others = drawn.blocks
    library = _library()
    return PAGE.substitute(
        policy=_policy(library, SCRIPT),
        title=escape(title),
        span=escape(span(backtests)),
        data=escape(_data(backtests[0].bars)),
        warning=_warning(backtests),
        findings=_findings(backtests, verdicts),
        study=f"{study}\n<h2>The account</h2>" if study else "",
        still=f"<noscript>\n{figure_html(escape(still[0]), still[1])}\n</noscript>" if still else "",
        chart=_chart(first, _HINT),
        table=summary_html(backtests),
        hinges="\n".join(section(test.name, hinge) for test, hinge in zip(backtests, hinges, strict=False)),
        accounts="\n".join(
            _account(test, block, file_prefix(test, backtests))
            for test, block in itertools.zip_longest(backtests, others)
        ),
        learning=LEARNING.substitute(figures=_figures(learning)) if learning else "",
        costs=_pairs(_costs(backtests)),
        facts=_pairs((escape(name), _fact(name, value)) for name, value in facts.items()),
        metrics=_pairs(
            (f"{readable(name)} <code>{name}</code>", escape(text)) for name, text in METRICS.items()
        ),
        document=drawn.document,
        library=library,
        script=SCRIPT,
    )


def file_prefix(backtest: Backtest, among: Sequence[Backtest]) -> str:
    """What its files begin with where several backtests lie in one folder."""
    return f"{backtest.name}-" if len(among) > 1 else ""


def _library() -> str:
    """bokeh's script, without those of widgets and tables."""
    parts = Resources(mode="inline", components=["bokeh"], minified=True).js_raw
    return "\n".join(parts).replace("\r\n", "\n")  # as the browser reads it before it takes the hash


def _policy(*scripts: str) -> str:
    digests = [base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts]
    allowed = " ".join(f"'sha256-{digest}'" for digest in digests)
    return (
        f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )


def _account(backtest: Backtest, block: Block | None, prefix: str) -> str:
    """Months and trades, under the chart of their own if there are several backtests."""
    return ACCOUNT.substitute(
        heading=f"<h2>{escape(label(backtest))}</h2>\n{_chart(block)}" if block else "",
        level="h3" if block else "h2",
        months=monthly_html(backtest),
        trades=trades_html(backtest.ensemble, f"{prefix}trades.csv"),
        name=escape(backtest.name),
    )


def _chart(block: Block, hint: str = "") -> str:
    """Where it is drawn, and the legend, which appears once it is."""
    entries = "".join(
        f'<button type="button" aria-pressed="true" data-names="{" ".join(entry.renderers)}">'
        f'<span class="swatch {entry.style}" style="border-color:{entry.color};'
        f'border-color:light-dark({entry.color},{entry.night})"></span>{escape(entry.text)}</button>'
        for entry in block.entries
    )
    return (
        f'<div class="legend" hidden role="group" aria-label="Shown in the chart">{entries}</div>\n'
        f'<div class="chart" id="{block.element}"></div>\n<p class="hint" hidden>{block.note}{hint}</p>'
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
    return f"{len(bars):,} bars, {bars.kind} prices, source: {bars.source or 'not stated'}"


def _findings(backtests: Sequence[Backtest], verdicts: Sequence[Verdict | None]) -> str:
    """What came out, how far luck may have made it, and what it is compared with: in words."""
    pairs = list(itertools.zip_longest(backtests, verdicts[: len(backtests)]))
    heads = [verdict_html(backtest, verdict) for backtest, verdict in pairs if verdict]
    paragraphs = [_finding(backtest, is_judged=verdict is not None) for backtest, verdict in pairs]
    if rivals := [f"{escape(name)} {_returned(track)}" for name, track in baselines(backtests).items()]:
        paragraphs.append(f"Compared with, on the same bars and after the same costs: {', '.join(rivals)}.")
    return "\n".join([*heads, *(f"<p>{paragraph}</p>" for paragraph in paragraphs)])


def _finding(backtest: Backtest, *, is_judged: bool) -> str:
    text = f"<strong>{escape(label(backtest))}</strong> returned {_returned(backtest.ensemble)} after costs."
    if not is_judged:  # the verdict says it better
        text += _lead(backtest)
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


def _lead(backtest: Backtest) -> str:
    """Whether chance alone could have made the difference to buy-and-hold; empty where nothing tells."""
    lead = backtest.ensemble.difference["sharpe"]
    if math.isnan(lead.low):
        return ""
    value, low, high = (show("sharpe", number) for number in lead)
    verdict = "chance alone may have made" if lead.low <= 0 <= lead.high else "chance alone would rarely make"
    return (
        f" Its Sharpe ratio differs from that of buy_and_hold by {value} (95 % interval {low} to {high}),"
        f" which {verdict}."
    )


def _returned(track: Track) -> str:
    total, sharpe = (show(metric, track.metrics[metric]) for metric in ("total_return", "sharpe"))
    return f"{total} (Sharpe {sharpe})"


def _figures(figures: Mapping[str, bytes]) -> str:
    return "\n".join(figure_html(escape(caption), image) for caption, image in figures.items())


def figure_html(caption: str, image: bytes) -> str:
    """`caption` is escaped already."""
    source = f"data:image/png;base64,{base64.b64encode(image).decode()}"
    return f'<figure><img alt="{caption}" src="{source}"><figcaption>{caption}</figcaption></figure>'


def _costs(backtests: Sequence[Backtest]) -> Iterable[tuple[str, str]]:
    """(Setting, its value and meaning), with the backtest's name where not all have the same.

    Commission and spread are always told, the rest where it is not as usual.
    """
    alike = all((test.costs, test.market) == (backtests[0].costs, backtests[0].market) for test in backtests)
    for test in backtests[:1] if alike else backtests:
        owner = "" if alike else f"{escape(test.name)}: "
        for model, config in ((Costs, test.costs), (Broker, test.market)):
            for name, field in model.model_fields.items():
                value = getattr(config, name)
                if value != field.default or name in ("commission_bps", "half_spread_bps", "cash"):
                    yield f"{owner}<code>{escape(name)}</code>", escape(f"{value} ({field.description})")


def _fact(name: str, value: str) -> str:
    is_command = name == "command" or value.startswith("tradebot ")
    return f"<pre>{escape(value)}</pre>" if is_command else escape(value)


def _pairs(pairs: Iterable[tuple[str, str]]) -> str:
    """A definition list of HTML that is escaped already."""
    return "<dl>\n" + "\n".join(f"<dt>{term}</dt><dd>{text}</dd>" for term, text in pairs) + "\n</dl>"
