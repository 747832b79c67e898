"""The main job on the shipped sample: train three agents on AAPL until 2009, test them on 2010-2013, report."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from tradebot import files, runs
from tradebot.api.backtesting import BacktestResult, backtest, figures, render
from tradebot.api.training import Progress, Run, train

SYMBOL, TRAINED_UNTIL = "AAPL", "2009-12-31"
SEEDS, STEPS = 4, 50_000
AGENTS: dict[str, dict[str, Any]] = {"dqn": {"per": True}, "ppo": {}, "a2c": {}}


class Demo(NamedTuple):
    """What the demo made."""

    folder: Path
    results: list[BacktestResult]
    page: Path


def demo(out: str | Path = "demo", progress: Progress | None = None) -> Demo:
    """Run it into a new folder `out` (with -2, -3 ... behind its name if that is taken)."""
    folder = runs.free_name(Path(out).parent, Path(out).name)
    with files.new_folder(folder) as aside:
        results = [_tested(_trained(name, aside, progress)) for name in AGENTS]
        pictures = figures(results)
        for name, (_, data) in pictures.items():
            files.write_bytes(aside / name, data)
        files.write_json(aside / "metrics.json", {r.backtest.name: r.to_dict() for r in results})
        files.write_text(aside / "report.html", render(results, pictures, "tradebot demo", "tradebot demo"))
    return Demo(folder, results, folder / "report.html")


def _trained(agent: str, folder: Path, progress: Progress | None) -> Run:
    extra = AGENTS[agent]
    flags = " ".join(f"--{flag}" for flag in extra)
    command = f"tradebot train {agent} --symbols {SYMBOL} --end {TRAINED_UNTIL} --steps {STEPS} --seeds {SEEDS} {flags}"
    return train(
        agent,
        symbols=(SYMBOL,),
        end=TRAINED_UNTIL,
        steps=STEPS,
        seeds=SEEDS,
        out=folder,
        name=agent,
        progress=progress,
        command=command.strip(),
        **extra,
    )


def _tested(run: Run) -> BacktestResult:
    return backtest(run, save=False)
