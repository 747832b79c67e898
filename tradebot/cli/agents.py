"""`tradebot agents`: which learners there are, what each needs and where it comes from."""

from __future__ import annotations

from typing import Any

from tradebot.agents.configs import CONFIGS, AgentConfig
from tradebot.cli import console


def agents(json: console.Json = False) -> None:
    """The agents that can be trained.

    Example: tradebot agents
    """
    about = [_about(name, model) for name, model in CONFIGS.items()]
    if json:
        console.print_json({"agents": about})
        return
    rows = [[agent["name"], agent["actions"], agent["summary"]] for agent in about]
    console.print_table("Agents (tradebot train AGENT --help)", ["agent", "actions", "what it is"], rows)


def _about(name: str, model: type[AgentConfig]) -> dict[str, Any]:
    fields = {key: field.default for key, field in model.model_fields.items() if key != "name"}
    summary = " ".join((model.__doc__ or "").split())
    return {"name": name, "actions": model.actions, "summary": summary, "hyperparameters": fields}
