"""Stacked networks: the parameters of M members in one tensor, evaluated with batched products.

All parameters of an agent live in one flat tensor [M, P], of which the layers are views: an optimiser step, a
target copy and a gradient norm are then one operation each, however many layers there are.

A member's numbers must not depend on its company, to the last bit on one thread. Sums over a member's axes
keep that law, and so do elementwise operations other than pow, sigmoid, softplus and atan2: their vector code
rounds otherwise than the scalar code for the end of an array. Products need the care that `linear` takes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from tradebot.core import Array, State
from tradebot.rl.noise import generator

Activation = Callable[[Tensor], Tensor]


class Networks:
    """Named multilayer perceptrons and vectors of M members."""

    def __init__(
        self,
        mlps: Mapping[str, Sequence[int]],  # name -> layer sizes, input first
        seeds: Sequence[int],  # [M]
        *,
        vectors: Mapping[str, int] | None = None,  # name -> length of a free vector, zero at the start
        output_gain: Mapping[str, float] | None = None,  # name -> gain of the last layer (default 1)
        activation: Activation = torch.tanh_,  # may work in place
        device: str = "cpu",
    ) -> None:
        initial = _orthogonal(mlps, seeds, output_gain or {})
        initial |= {name: np.zeros((len(seeds), 1, size)) for name, size in (vectors or {}).items()}
        self.activation = activation
        self.flat = torch.as_tensor(
            np.concatenate([value.reshape(len(seeds), -1) for value in initial.values()], axis=1).astype(
                np.float32
            ),
            device=device,
        )  # [M, P]
        self.parameters: dict[str, Tensor] = {}  # name -> leaf view of flat, [M, ...]
        start = 0
        for name, value in initial.items():
            stop = start + value[0].size
            self.parameters[name] = self.flat[:, start:stop].view(value.shape).detach().requires_grad_()
            start = stop
        self._layers = {
            name: [
                (self.parameters[f"{name}.{i}.weight"], self.parameters[f"{name}.{i}.bias"])
                for i in range(len(sizes) - 1)
            ]
            for name, sizes in mlps.items()
        }

    def mlp(self, name: str, x: Tensor) -> Tensor:
        """[M, N, in] -> [M, N, out]; the activation stands between the layers."""
        *hidden, (weight, bias) = self._layers[name]
        for w, b in hidden:
            x = self.activation(linear(x, w, b))
        return linear(x, weight, bias)

    def gradient(self, loss: Tensor) -> Tensor:
        """d loss[m] / d parameters[m] of every member at once, [M, P]. loss [M]: members share nothing."""
        gradients = torch.autograd.grad(loss, list(self.parameters.values()), torch.ones_like(loss))
        return torch.cat([gradient.reshape(len(loss), -1) for gradient in gradients], dim=1)

    def state_dict(self) -> State:
        return {name: value.detach().cpu().numpy().copy() for name, value in self.parameters.items()}

    def load_state_dict(self, state: State) -> None:
        with torch.no_grad():
            for name, value in self.parameters.items():
                value.copy_(torch.as_tensor(state[name]))


def linear(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """x [M, N, in], weight [M, in, out], bias [M, 1, out] -> [M, N, out].

    Widths of one are multiplied by hand: there the batched product and its gradients take another path with
    one member than with several, and the last bit would depend on the company.
    """
    if weight.shape[2] == 1:
        return (x * weight.mT).sum(-1, keepdim=True) + bias
    if weight.shape[1] == 1:
        return torch.addcmul(bias, x, weight)
    return torch.baddbmm(bias, x, weight)


def _orthogonal(
    mlps: Mapping[str, Sequence[int]], seeds: Sequence[int], output_gain: Mapping[str, float]
) -> dict[str, Array]:
    """Orthogonal weights (Saxe et al. 2014), gain sqrt(2) in hidden layers; zero biases. Drawn per member."""
    initial: dict[str, Array] = {}
    for name, sizes in mlps.items():
        for i, (n_in, n_out) in enumerate(pairwise(sizes)):
            gain = output_gain.get(name, 1.0) if i == len(sizes) - 2 else math.sqrt(2.0)
            weights = []
            for seed in seeds:
                tall = (max(n_in, n_out), min(n_in, n_out))
                q, r = np.linalg.qr(generator(seed, f"initial {name}.{i}").standard_normal(tall))
                q = q * np.sign(np.diag(r))
                weights.append(gain * (q if n_in >= n_out else q.T))
            initial[f"{name}.{i}.weight"] = np.stack(weights)
            initial[f"{name}.{i}.bias"] = np.zeros((len(seeds), 1, n_out))
    return initial
