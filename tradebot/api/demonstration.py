"""The main job on the shipped sample: train three agents on AAPL until 2009, test them on 2010-2013."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from tradebot import files
from tradebot.api.backtesting import backtest
from tradebot.api.bookkeeping import judged
from tradebot.api.interrupts import Interrupted
from tradebot.api.prices import SAMPLE
from tradebot.api.result import BacktestResult, figures, orders, render
from tradebot.api.run import Run
from tradebot.api.training import Progress, train

SYMBOL, TRAINED_UNTIL = "AAPL", "2009-12-31"
SEEDS, STEPS = 4, 50_000
AGENTS: dict[str, dict[str, Any]] = {"dqn": {"per": True}, "ppo": {}, "a2c": {}}


class Demo(NamedTuple):
    """What the demo made."""

    folder: Path
    results: list[BacktestResult]
    page: Path


def demo(out: str | Path = "demo", progress: Progress | None = None) -> Demo:
    """Run it into a new folder `out` (with -2, -3 ... behind its name if that is taken).

    Raises OSError, before it trains if it can be known then, if the folder cannot be written.
    """
    with files.new_folder(Path(out), numbered=True) as (aside, folder):
        try:
            trained = [
                _trained(name, aside, _part_of(progress, i, len(AGENTS))) for i, name in enumerate(AGENTS)
            ]
        except Interrupted:  # the folder goes, and with it what could be resumed
            raise KeyboardInterrupt from None
        results = [
            backtest(run, save=False, command=f"tradebot backtest {folder / name}")
            for name, run in zip(AGENTS, trained, strict=True)
        ]
        for result in results:  # once all are on record, so that each is deflated by as many trials
            if result.verdict:
                result.verdict = judged(result.backtest, result.verdict.again)
        pictures = figures(results)
        for name, data in {**orders(results), **{name: data for name, (_, data) in pictures.items()}}.items():
            files.write_bytes(aside / name, data)
        files.write_json(aside / "metrics.json", {r.backtest.name: r.to_dict() for r in results})
        files.write_text(aside / "report.html", render(results, pictures, "tradebot demo", "tradebot demo"))
    moved = [
        BacktestResult(r.backtest, r.facts, Run(folder / name), verdict=r.verdict)
        for name, r in zip(AGENTS, results, strict=True)
    ]
    return Demo(folder, moved, folder / "report.html")


def _trained(agent: str, folder: Path, progress: Progress | None) -> Run:
    extra = AGENTS[agent]
    flags = f"--symbols {SYMBOL} --data {SAMPLE} --end {TRAINED_UNTIL} --steps {STEPS} --seeds {SEEDS}"
    command = " ".join([f"tradebot train {agent} {flags}", *(f"--{flag}" for flag in extra)])
    return train(
        agent,
        symbols=(SYMBOL,),
        data=SAMPLE,
        end=TRAINED_UNTIL,
        steps=STEPS,
        seeds=SEEDS,
        out=folder,
        name=agent,
        progress=progress,
        command=command,
        **extra,
    )


def _part_of(progress: Progress | None, part: int, parts: int) -> Progress | None:
    """One bar for all trainings, which are equally long."""
    if progress is None:
        return None
    return lambda done, total, what: progress(part * total + done, parts * total, what)
