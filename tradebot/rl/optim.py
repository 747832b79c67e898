"""Adam (Kingma & Ba 2015, algorithm 1) for a population: norms, masks and step counts are per member."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from tradebot.core import State
from tradebot.rl.networks import Networks


class Adam:
    """Minimises loss[m] over the parameters of member m. A masked member stays as it is, its moments too."""

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
        gradient = self._networks.gradient(loss)  # [M, P]
        moving = (self._networks.flat, self._mean, self._square)
        with torch.no_grad():
            norm: Tensor = torch.linalg.vector_norm(gradient, dim=1, keepdim=True)
            gradient *= self._max_grad_norm / norm.clamp(min=self._max_grad_norm)
            if mask is None:
                self._count += 1.0
                self._move(gradient, learning_rate)
            else:
                self._count += mask[:, None]
                resting = [tensor[~mask] for tensor in moving]
                self._move(gradient, learning_rate)
                for tensor, rows in zip(moving, resting, strict=True):
                    tensor[~mask] = rows
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

    def _move(self, gradient: Tensor, learning_rate: float) -> None:
        """theta -= learning_rate root / (1 - beta1^t) m / (sqrt(v) + eps root) with root = sqrt(1 - beta2^t).

        The order of the end of section 2, in few passes and in place: `gradient` is used up.
        """
        beta1, beta2 = self._betas
        root = torch.expm1(self._count * math.log(beta2)).neg_().sqrt_()  # [M, 1]
        rate = root / torch.expm1(self._count * math.log(beta1))  # [M, 1], negative
        self._mean.lerp_(gradient, 1.0 - beta1)
        self._square.mul_(beta2).addcmul_(gradient, gradient, value=1.0 - beta2)
        torch.sqrt(self._square, out=gradient).add_(root, alpha=self._eps)
        torch.div(self._mean, gradient, out=gradient)
        self._networks.flat.addcmul_(gradient, rate, value=learning_rate)
