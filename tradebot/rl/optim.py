"""Adam (Kingma & Ba 2015, algorithm 1) for a population: norms, masks and step counts are per member."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from tradebot.core import State
from tradebot.rl.networks import Networks


class Adam:
    """Moves member m against its gradient. A masked member stays as it is, its moments too."""

    def __init__(
        self,
        networks: Networks,
        *,
        max_grad_norm: float = math.inf,  # Euclidean norm of a member's whole gradient
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-5,
    ) -> None:
        self._networks = networks
        self._max_grad_norm = max_grad_norm
        self._betas = betas
        self._eps = eps
        self._mean = torch.zeros_like(networks.flat)  # [M, P]
        self._square = torch.zeros_like(networks.flat)  # [M, P]
        self._count = torch.zeros((len(networks.flat), 1), device=networks.flat.device)  # [M, 1] steps taken
        state = (networks.flat, networks.gradient, self._mean, self._square, self._count[:, 0])
        self._rows = [list(tensor) for tensor in state]  # views of each member's part

    def step(self, learning_rate: float, mask: Tensor | None = None) -> Tensor:
        """One step for the members in mask [M] (default: all), which uses their gradient up.

        Returns the gradient norms [M].
        """
        gradient = self._networks.gradient
        norm: Tensor = torch.linalg.vector_norm(gradient, dim=1, keepdim=True)
        gradient *= (self._max_grad_norm / norm).clamp(max=1.0)
        self._count += 1.0 if mask is None else mask[:, None]
        rows = self._rows
        if mask is not None:
            rows = [[row for row, moves in zip(part, mask, strict=True) if moves] for part in rows]
            if not rows[0]:
                return norm[:, 0]
        flat, gradients, mean, square, count = rows
        torch._fused_adam_(
            flat,
            gradients,
            mean,
            square,
            [],
            count,
            lr=learning_rate,
            beta1=self._betas[0],
            beta2=self._betas[1],
            eps=self._eps,
            weight_decay=0.0,
            amsgrad=False,
            maximize=False,
        )
        return norm[:, 0]

    def state_dict(self) -> State:
        return {
            "mean": self._mean.cpu().numpy().copy(),
            "square": self._square.cpu().numpy().copy(),
            "count": self._count.cpu().numpy().copy(),
        }

    def load_state_dict(self, state: State) -> None:
        self._mean.copy_(torch.as_tensor(state["mean"]))
        self._square.copy_(torch.as_tensor(state["square"]))
        self._count.copy_(torch.as_tensor(state["count"]))
