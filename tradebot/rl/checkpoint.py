"""All that the rest of a training depends on, as one state, and back again, to the last bit."""

from __future__ import annotations

import numpy as np

from tradebot.core import Agent, Env, State
from tradebot.rl.loop import Event, Standing
from tradebot.rl.replay import ReplayBuffer
from tradebot.rl.rollout import RolloutBuffer


def gather(agent: Agent, env: Env, memory: RolloutBuffer | ReplayBuffer, event: Event) -> State:
    """The state of a training after an event."""
    return {
        "agent": agent.state_dict(),
        "env": env.state_dict(),
        "memory": memory.state_dict(),
        "loop": {"step": event.step, "running": event.running.copy()},
    }


def restore(state: State, agent: Agent, env: Env, memory: RolloutBuffer | ReplayBuffer) -> Standing:
    """Put agent, environment and memory, made as they were for the start, to where they stood.

    An environment that has no state to give back starts new episodes.
    """
    agent.load_state_dict(state["agent"])
    memory.load_state_dict(state["memory"])
    obs = env.load_state_dict(state.get("env", {}))
    running = np.array(state["loop"]["running"]) if state.get("env") else np.zeros(env.n_envs)
    return Standing(state["loop"]["step"], obs, running)
