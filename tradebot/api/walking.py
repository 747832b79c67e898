"""Walk-forward: train an agent on every fold's past at once, and test each on the bars that came next."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tradebot import runs
from tradebot.api.backtesting import baseline_requests, facts_of
from tradebot.api.bookkeeping import judged, note
from tradebot.api.experiment import experiment
from tradebot.api.parts import Prepared, prepared
from tradebot.api.prices import approved
from tradebot.api.result import BacktestResult
from tradebot.api.run import Run
from tradebot.api.threads import one_thread
from tradebot.api.training import Progress, begin, given, go_on
from tradebot.backtest import engine, walkforward
from tradebot.backtest.configs import length
from tradebot.backtest.walkforward import Fold
from tradebot.config import counted
from tradebot.core import Array
from tradebot.evidence import ledger
from tradebot.market.env import TradingEnv
from tradebot.prices.dates import spelled


def walk_forward(
    agent: str = "",
    *,
    resume: str | Path | Run | None = None,
    config: str | Path | None = None,
    out: str | Path = runs.ROOT,
    name: str | None = None,
    workers: int | None = None,
    open_seal: bool = False,
    progress: Progress | None = None,
    command: str = "",
    **settings: Any,
) -> BacktestResult:
    """Train `agent` (default PPO) on every fold as one population, and trade the tests as one account.

    settings are those of `train` and of WalkForwardConfig, e.g. `folds=8, train="5y", test="1y"`. The run
    folder is `out`/`name`, the result one in its `backtests/`. `resume` goes on with a walk-forward that was
    interrupted, or tests a finished one again. A member of fold k is what training it alone on that fold
    gives, bit for bit. Raises InputError for wrong settings, too few bars and sealed ones (unless
    `open_seal`), and Interrupted after Ctrl-C.

    >>> walk_forward("ppo", symbols="AAPL", folds=8, train="5y", test="1y", seeds=4).fold_frame
    """
    if resume is not None:
        folder = resume.folder if isinstance(resume, Run) else runs.find(str(resume))
        run = finished(folder, "walkforward", workers, progress)
    else:
        plan = experiment(agent or "ppo", *given(agent or "ppo", config, None, settings), "walkforward")
        bars, _, _, folds = prepared(plan)
        tested = bars.rows(folds[0].test[0], folds[-1].test[1])
        first, last = (str(stamp) for stamp in tested.timestamps[[0, -1]].astype("datetime64[s]"))
        ledger.check_seals(ledger.place(), bars.symbols, first, last, open_seal=open_seal)
        run = begin(plan, out, name, workers, progress, command)
    return _tested(run, open_seal, command)


def finished(folder: Path, study: str, workers: int | None, progress: Progress | None) -> Run:
    """The run of a study, trained to its end if that is still to come. Raises InputError for another one."""
    if runs.read(folder).manifest.status != "finished":
        return go_on(folder, study, workers, progress)
    run = Run(folder)
    if run.experiment.command != study:
        go_on(folder, study, workers, progress)  # says what to do with it
    return run


def _tested(run: Run, open_seal: bool, command: str) -> BacktestResult:
    """The result, recorded and written into the folder of the run."""
    plan = run.experiment
    made = prepared(plan, run.code)
    bars, folds = made.bars, made.folds
    doubts = approved(bars.symbols, bars.source, plan.market)
    requests = _requests(run, made)
    first, last = folds[0].test[0], folds[-1].test[1]
    tested = engine.run(
        run.name,
        bars.rows(first, last),
        {f"seed {seed}": requests[s] for s, seed in enumerate(run.seeds)},
        baseline_requests(bars, first, last),
        market=plan.market,
        costs=plan.costs,
        in_sample=False,
        short=plan.market.actions in ("long-short", "weights"),
    )
    recorded = note(tested, run, kind="walkforward", open_seal=open_seal)
    results = walkforward.results(bars, folds, tested)
    told = facts_of(run, None, command)
    walk = plan.walkforward
    assert walk is not None
    told["folds"] = (
        f"{walk.folds} {'expanding' if walk.expanding else 'rolling'}, trained on {length(walk.train)},"
        f" tested on {length(walk.test)} each; {counted(walk.embargo + walkforward.PURGED, 'bar')} left out"
        f" in between; positions {walk.seams} at the seams"
    )
    result = BacktestResult(
        tested, told, run, doubts=doubts, verdict=judged(tested, recorded and recorded.again), folds=results
    )
    dates = "-".join(spelled(bars.timestamps[bar])[:10].replace("-", "") for bar in (first, last))
    result.save(run.folder / "backtests" / f"walkforward-{dates}", numbered=True)
    return result


def _requests(run: Run, made: Prepared) -> Array:
    """What each seed asks for at every bar of the tests [S, T, A]."""
    plan, folds = run.experiment, made.folds
    assert plan.walkforward is not None
    envs = [_test_env(run, made, fold, last) for fold, last in zip(folds, _ends(folds), strict=True)]
    with one_thread():
        agent = run.agent(envs[0].observation_space, envs[0].action_space)
        return walkforward.stitched(agent, envs, plan.walkforward.seams)


def _ends(folds: tuple[Fold, ...]) -> list[int]:
    """The bar at which the next fold begins, where the last decision of each has filled."""
    return [*(fold.test[0] for fold in folds[1:]), folds[-1].test[1]]


def _test_env(run: Run, made: Prepared, fold: Fold, last: int) -> TradingEnv:
    plan = run.experiment
    return TradingEnv(
        made.bars,
        plan.market,
        plan.costs,
        first=fold.test[0],
        last=last,
        seeds=run.seeds,
        table=made.observed.table,
    )
