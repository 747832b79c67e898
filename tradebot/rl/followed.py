"""Networks that Adam moves, and a slow copy of them that follows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tradebot.core import State
from tradebot.rl.networks import RELU, Networks
from tradebot.rl.optim import Adam

EPS = 1e-8  # of Adam: slopes of actors are small


class Followed:
    """The slow copy is what temporal differences bootstrap from (Lillicrap et al. 2016, section 3)."""

    def __init__(
        self,
        mlps: Mapping[str, Sequence[int]],  # name -> layer sizes, input first
        seeds: Sequence[int],  # [M]
        device: str,
    ) -> None:
        self.online, self.target = (
            Networks(mlps, seeds, initial="fan-in", activation=RELU, device=device) for _ in range(2)
        )
        self.adam = Adam(self.online, eps=EPS)

    def follow(self, tau: float) -> None:
        """The slow copy moves to the others, by tau of the way."""
        self.target.flat.lerp_(self.online.flat, tau)

    def state_dict(self) -> State:
        return {
            "online": self.online.state_dict(),
            "target": self.target.state_dict(),
            "adam": self.adam.state_dict(),
        }

    def load_state_dict(self, state: State) -> None:
        self.online.load_state_dict(state["online"])
        self.target.load_state_dict(state["target"])
        self.adam.load_state_dict(state["adam"])
