"""The null test: the same agent, trained and tested from scratch on shuffled copies of its market."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

from tradebot import files, runs
from tradebot.agents.configs import CONFIGS
from tradebot.agents.registry import create
from tradebot.api.backtesting import baseline_requests, check_trades, facts_of
from tradebot.api.bookkeeping import judged, note
from tradebot.api.experiment import Experiment, check_study, experiment
from tradebot.api.members import check_finite
from tradebot.api.observing import observe
from tradebot.api.parts import Part, learning_env, prepared, shuffled
from tradebot.api.picture import Picture
from tradebot.api.prices import approved
from tradebot.api.result import BacktestResult
from tradebot.api.run import Run
from tradebot.api.threads import one_thread
from tradebot.api.training import Progress, begin, given
from tradebot.api.walking import finished
from tradebot.backtest import engine
from tradebot.backtest.engine import Backtest
from tradebot.config import build
from tradebot.core import Agent, Array, InputError
from tradebot.evidence import ledger, nulltest
from tradebot.evidence.configs import NullTestConfig
from tradebot.evidence.nulltest import NullTest
from tradebot.market.env import TradingEnv
from tradebot.prices.bars import Bars
from tradebot.report import nulltest as picture
from tradebot.report import plots
from tradebot.report.tables import probability
from tradebot.rl import loop
from tradebot.strategies import rules


class NullTestResult:
    """How often chance does as well as the agent."""

    def __init__(self, test: NullTest, tested: BacktestResult, run: Run) -> None:
        self.test = test
        self.result = tested  # on the market itself
        self.run = run  # of all its members
        self.files: dict[str, Path] = {}

    @property
    def p_value(self) -> float:
        """See `evidence.nulltest`: small where shuffled copies rarely do as well."""
        return self.test.p_value

    def plot(self) -> Picture:
        """What was measured on the copies, and where the market stands among them."""
        return Picture(picture.figure(self.test))

    def to_dict(self) -> dict[str, Any]:
        """What `nulltest --json` prints."""
        settings = self.run.experiment.nulltest
        assert settings is not None
        span = self.result.backtest.bars
        return {
            "run": str(self.run.folder),
            "agent": self.run.manifest.agent,
            "seeds": self.run.seeds,
            "symbols": list(span.symbols),
            "span": {
                "start": span.timestamps[0].item().isoformat(),
                "end": span.timestamps[-1].item().isoformat(),
                "bars": len(span),
            },
            "statistic": nulltest.STATISTIC,
            "real": self.test.real,
            "copies": list(self.test.copies),
            "rank": self.test.rank,
            "p_value": self.p_value,
            "verdict": self.result.verdict and self.result.verdict.to_dict(),
            **settings.model_dump(include={"markets", "block", "shuffle"}),
            "files": {name: str(path) for name, path in self.files.items()},
        }

    def save(self) -> None:
        """Write the result into the folder of the run. Raises OSError if the disk refuses."""
        dates = "-".join(str(t)[:10].replace("-", "") for t in self.result.backtest.bars.timestamps[[0, -1]])
        self.result.save(self.run.folder / "backtests" / f"nulltest-{dates}", numbered=True)
        names = ("nulltest.json", "nulltest.png")
        self.files = self.result.files | {name: self.run.folder / name for name in names}
        files.write_bytes(self.files["nulltest.png"], plots.png(self.plot().figure))
        files.write_json(self.files["nulltest.json"], self.to_dict())

    def __repr__(self) -> str:
        of = len(self.test.copies) + 1
        return (
            f"NullTestResult(p = {probability(self.p_value)}: rank {self.test.rank} of {of}, {self.run.name})"
        )

    def _repr_html_(self) -> str:
        return f"<p>{escape(repr(self))}</p>{self.result._repr_html_()}"


def null_test(
    run_or_agent: str | Path | Run = "",
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
) -> NullTestResult:
    """Train an agent again on its market and on shuffled copies, and say how often those do as well.

    Of a run everything is as it was trained, and `settings` are those of NullTestConfig alone; of an agent
    also those of `train`, with an `end` after which it is tested. All copies are trained as one population;
    the member on the market is what `train` gives, bit for bit. The result lies in the folder `out`/`name`.
    `resume` goes on with one that was interrupted. Raises as `walk_forward` does.

    >>> null_test("ppo", symbols="AAPL", end="2009-12-31", markets=19, seeds=4).p_value
    """
    if resume is not None:
        folder = resume.folder if isinstance(resume, Run) else runs.find(str(resume))
        return _tested(finished(folder, "nulltest", workers, progress), open_seal, command)
    code = None
    if isinstance(run_or_agent, Run) or str(run_or_agent) not in CONFIGS:
        plan, code = _of_run(run_or_agent, settings)
    else:
        agent = str(run_or_agent)
        plan = experiment(agent, *given(agent, config, None, settings), "nulltest")
    made = prepared(plan, code)
    unseen = made.bars.rows(made.parts[0].last + 1, len(made.bars) - 1)
    first, last = (str(stamp) for stamp in unseen.timestamps[[0, -1]].astype("datetime64[s]"))
    ledger.check_seals(ledger.place(), unseen.symbols, first, last, open_seal=open_seal)
    return _tested(begin(plan, out, name, workers, progress, command, code), open_seal, command)


def null_tests(plan: Experiment, markets: Sequence[Bars], last: int) -> list[tuple[NullTest, Backtest]]:
    """The null test of each of these markets, and the backtest on it; nothing is written or recorded.

    Every market is learned from the first usable bar to bar `last` and tested on those behind it, as all its
    copies are; all of them are one population. `plan.nulltest` says how many copies.
    """
    n_copies = plan.nulltest.markets if plan.nulltest else 0
    observed = [observe(bars, plan.market) for bars in markets]
    parts = [
        part
        for bars, seen in zip(markets, observed, strict=True)
        for part in shuffled(plan, bars, seen.table.warmup, last, seen)
    ]
    env, _ = learning_env(plan, parts, observed[0])
    members = [seed for seed in plan.seeds for _ in parts]
    with one_thread():
        agent = create(
            plan.agent, env.observation_space, env.action_space, members, plan.run.steps, plan.run.device
        )
        memory = loop.memory_for(agent, env, members, plan.run.steps)
        for event in loop.train(agent, env, memory, len(members), plan.run.steps):
            check_finite(event)
        requests = _requests(plan, parts, agent)
    found = []
    for k in range(0, len(parts), 1 + n_copies):
        tests = [
            _backtest(plan, part, asked, plan.agent.name, with_baselines=i == 0)
            for i, (part, asked) in enumerate(
                zip(parts[k : k + 1 + n_copies], requests[k : k + 1 + n_copies], strict=True)
            )
        ]
        found.append((_null_test(tests), tests[0]))
    return found


def _of_run(run: str | Path | Run, settings: dict[str, Any]) -> tuple[Experiment, Path]:
    """The run's own experiment, to be tested, and the code of its features."""
    if not isinstance(run, Run):
        if rules.named(str(run)):
            raise InputError(
                f"{run} is a rule, and there is nothing to train in it: null tests are of agents"
            )
        run = Run(runs.find(str(run), others=CONFIGS))
    check_trades(run, "test")
    given = {key: value for key, value in settings.items() if value is not None}
    if idle := [key for key in given if key not in NullTestConfig.model_fields]:
        raise InputError(
            f"{', '.join(idle)}: {run.name} is tested with the settings that it was trained with; give an"
            " agent to test others"
        )
    plan = run.experiment._replace(nulltest=build(NullTestConfig, given))
    check_study(plan)
    return plan, run.code


def _tested(run: Run, open_seal: bool, command: str) -> NullTestResult:
    """The result, recorded and written into the folder of the run."""
    plan = run.experiment
    made = prepared(plan, run.code)
    doubts = approved(made.bars.symbols, made.bars.source, plan.market)
    with one_thread():
        env = _test_env(plan, made.parts[0])
        agent = run.agent(env.observation_space, env.action_space)
        requests = _requests(plan, made.parts, agent)
    tests = [
        _backtest(plan, part, asked, run.name, with_baselines=k == 0)
        for k, (part, asked) in enumerate(zip(made.parts, requests, strict=True))
    ]
    recorded = note(tests[0], run, kind="nulltest", open_seal=open_seal)
    test = _null_test(tests)
    verdict = judged(tests[0], recorded and recorded.again, null=test.p_value)
    told = facts_of(run, None, command)
    tested = BacktestResult(tests[0], told, run, doubts=doubts, null=test, verdict=verdict)
    result = NullTestResult(test, tested, run)
    result.save()
    return result


def _requests(plan: Experiment, parts: Sequence[Part], agent: Agent) -> list[Array]:
    """What the seeds ask for at every bar of the test in each market: [S, T, A]."""
    return engine.requests_by_part(agent, [_test_env(plan, part) for part in parts])


def _test_env(plan: Experiment, part: Part) -> TradingEnv:
    return TradingEnv(
        part.bars,
        plan.market,
        plan.costs,
        first=part.last + 1,
        last=len(part.bars) - 1,
        seeds=plan.seeds,
        table=part.table,
    )


def _backtest(plan: Experiment, part: Part, requests: Array, name: str, *, with_baselines: bool) -> Backtest:
    """On the bars behind the training."""
    first, last = part.last + 1, len(part.bars) - 1
    return engine.run(
        name,
        part.bars.rows(first, last),
        {f"seed {seed}": requests[s] for s, seed in enumerate(plan.seeds)},
        baseline_requests(part.bars, first, last) if with_baselines else {},
        market=plan.market,
        costs=plan.costs,
        in_sample=False,
        short=plan.market.actions in ("long-short", "weights"),
    )


def _null_test(tests: Sequence[Backtest]) -> NullTest:
    return nulltest.of_accounts([test.ensemble.equity for test in tests], tests[0].bars.periods_per_year)
