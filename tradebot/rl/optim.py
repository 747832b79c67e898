"""Adam (Kingma & Ba 2015, algorithm 1) for a population: norms, masks and step counts are per member."""

from __future__ import annotations

import torch
from torch import Tensor

from tradebot.core import State
from tradebot.rl.networks import Networks


class Adam:
    """Minimises loss[m] over the parameters of member m. A masked member does not move, nor do its moments."""

    def __init__(
        self,
        networks: Networks,
        *,
        max_grad_norm: float,  # Euclidean norm of a member's whole gradient
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

    def step(self, loss: Tensor, learning_rate: float, mask: Tensor | None = None) -> Tensor:
        """One step on loss [M] for the members in mask [M] (default: all). Returns the gradient norms [M]."""
        gradient = self._networks.gradient(loss)
        with torch.no_grad():
            norm = torch.linalg.vector_norm(gradient, dim=1, keepdim=True)
            gradient *= (self._max_grad_norm / (norm + 1e-6)).clamp(max=1.0)
            moves = None if mask is None else mask[:, None]
            beta1, beta2 = self._betas
            self._count += 1.0 if moves is None else moves.to(self._count.dtype)
            _set(self._mean, torch.lerp(gradient, self._mean, beta1), moves)
            _set(self._square, torch.lerp(gradient * gradient, self._square, beta2), moves)
            scale = learning_rate / (1.0 - beta1**self._count)  # [M, 1]
            root = (self._square / (1.0 - beta2**self._count)).sqrt_().add_(self._eps)
            _set(self._networks.flat, self._networks.flat - scale * self._mean / root, moves)
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


def _set(target: Tensor, value: Tensor, moves: Tensor | None) -> None:
    target.copy_(value if moves is None else torch.where(moves, value, target))
