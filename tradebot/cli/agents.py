"""`tradebot agents`: which learners there are, what each needs and where it comes from."""

from __future__ import annotations

import re
from typing import Any

from tradebot.agents import presets
from tradebot.agents.configs import CONFIGS, AgentConfig
from tradebot.cli import console

PAPER = re.compile(r"\(([^()]* \d{4}[^()]*)\)")  # `(Mnih et al. 2015)`; the first one is the algorithm's


def agents(json: console.Json = False) -> None:
    """The agents that can be trained: what each needs, and its source.

    Discrete actions are long-flat, long-short and orders, continuous ones are weights. A rollout is learned
    from once and thrown away, a replay is a memory from which batches are drawn. Presets are the published
    settings that --preset takes.

    Example: tradebot agents
    """
    about = [_about(name, model) for name, model in CONFIGS.items()]
    if json:
        console.print_json({"agents": about})
        return
    rows = [[agent[key] for key in ("name", "actions", "feed", "summary")] for agent in about]
    header = ["agent", "actions", "feed", "what it is"]
    console.print_table("Agents (tradebot train AGENT --help)", header, rows)
    print("Presets (tradebot train AGENT --preset ENVIRONMENT)")
    for env in sorted({env for agent in about for env in agent["presets"]}):
        print(f"  {env}: {', '.join(agent['name'] for agent in about if env in agent['presets'])}")


def _about(name: str, model: type[AgentConfig]) -> dict[str, Any]:
    fields = {key: field.default for key, field in model.model_fields.items() if key != "name"}
    summary = " ".join((model.__doc__ or "").split())
    paper = PAPER.search(summary)
    return {
        "name": name,
        "actions": model.actions,
        "feed": "replay" if "capacity" in fields else "rollout",
        "summary": summary,
        "source": paper[1] if paper else None,
        "presets": presets.names(name),
        "hyperparameters": fields,
    }
