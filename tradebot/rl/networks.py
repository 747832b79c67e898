"""Stacked networks: the parameters of M members in one tensor, evaluated with batched products.

All parameters of an agent live in one flat tensor [M, P], of which the layers are views: an optimiser step, a
target copy and a gradient norm are then one operation each, however many layers there are.

A member's numbers must not depend on its company, to the last bit on one thread. Sums over a member's axes
keep that law, and so do elementwise operations other than pow, sigmoid, softplus and atan2: their vector code
rounds otherwise than the scalar code for the end of an array. Products keep it because every width is padded
with zeros to whole cache lines: libraries round otherwise where a matrix does not start at one, or is so
narrow that it takes a path of its own. The padding stays zero, for no gradient reaches it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Literal

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import pad

from tradebot.core import Array, State
from tradebot.rl.noise import generator

Activation = Callable[[Tensor], Tensor]
Initial = Literal["orthogonal", "fan-in"]
LINE = 16  # float32 numbers in a cache line of 64 bytes


class Networks:
    """Named multilayer perceptrons and vectors of M members."""

    def __init__(
        self,
        mlps: Mapping[str, Sequence[int]],  # name -> layer sizes, input first
        seeds: Sequence[int],  # [M]
        *,
        vectors: Mapping[str, int] | None = None,  # name -> length of a free vector, zero at the start
        initial: Initial = "orthogonal",
        output_gain: Mapping[str, float] | None = None,  # name -> gain of the last layer (default 1)
        activation: Activation = torch.tanh_,  # of 0 it must give 0; may work in place
        device: str = "cpu",
    ) -> None:
        layers = {
            f"{name}.{i}": (n_in, n_out)
            for name, sizes in mlps.items()
            for i, (n_in, n_out) in enumerate(pairwise(sizes))
        }
        shapes = {f"{name}.weight": shape for name, shape in layers.items()}
        shapes |= {f"{name}.bias": (1, n_out) for name, (_, n_out) in layers.items()}
        shapes |= {name: (1, size) for name, size in (vectors or {}).items()}
        blocks = {
            name: (_padded(rows) if name.endswith("weight") else rows, _padded(columns))
            for name, (rows, columns) in shapes.items()
        }
        self.activation = activation
        self.flat = torch.zeros((len(seeds), sum(map(math.prod, blocks.values()))), device=device)  # [M, P]
        self.parameters: dict[str, Tensor] = {}  # name -> view of flat without its padding, [M, ...]
        self._leaves: dict[str, Tensor] = {}  # the same with it, for gradients
        start = 0
        for name, block in blocks.items():
            stop = start + math.prod(block)
            view = self.flat[:, start:stop].view(-1, *block)
            rows, columns = shapes[name]
            self.parameters[name] = view[:, :rows, :columns]
            self._leaves[name] = view.detach().requires_grad_()
            start = stop
        self._sizes = {name: tuple(sizes) for name, sizes in mlps.items()}
        last = {f"{name}.{len(sizes) - 2}": name for name, sizes in mlps.items()}
        for name, (n_in, n_out) in layers.items():
            gain = (output_gain or {}).get(last[name], 1.0) if name in last else None
            for m, seed in enumerate(seeds):
                drawn = generator(seed, f"initial {name}")
                weight, bias = _INITIAL[initial](drawn, n_in, n_out, gain)
                self.parameters[f"{name}.weight"][m] = torch.as_tensor(weight)
                self.parameters[f"{name}.bias"][m] = torch.as_tensor(bias)

    def mlp(self, name: str, x: Tensor) -> Tensor:
        """[M, N, in] -> [M, N, out]; the activation stands between the layers."""
        n_in, *hidden, n_out = self._sizes[name]
        x = pad(x, (0, _padded(n_in) - n_in))
        for i in range(len(hidden) + 1):
            weight, bias = self._leaves[f"{name}.{i}.weight"], self._leaves[f"{name}.{i}.bias"]
            x = torch.baddbmm(bias, x if i == 0 else self.activation(x), weight)
        return x[..., :n_out]

    def vector(self, name: str) -> Tensor:
        """[M, 1, size], to be learned."""
        return self._leaves[name][..., : self.parameters[name].shape[2]]

    def gradient(self, loss: Tensor) -> Tensor:
        """d loss[m] / d parameters[m] of every member at once, [M, P]. loss [M]: members share nothing."""
        gradients = torch.autograd.grad(loss, list(self._leaves.values()), torch.ones_like(loss))
        return torch.cat([gradient.reshape(len(loss), -1) for gradient in gradients], dim=1)

    def state_dict(self) -> State:
        return {name: value.cpu().numpy().copy() for name, value in self.parameters.items()}

    def load_state_dict(self, state: State) -> None:
        for name, value in self.parameters.items():
            given = torch.as_tensor(state[name])
            if given.shape != value.shape:  # a copy would broadcast one member to all
                raise ValueError(f"{name} has shape {tuple(given.shape)}, expected {tuple(value.shape)}")
            value.copy_(given)


def _padded(width: int) -> int:
    """The next whole number of cache lines."""
    return -(-width // LINE) * LINE


def _orthogonal(drawn: np.random.Generator, n_in: int, n_out: int, gain: float | None) -> tuple[Array, Array]:
    """Orthogonal weights (Saxe et al. 2014), zero biases; the gain of hidden layers is sqrt(2)."""
    tall = (max(n_in, n_out), min(n_in, n_out))
    q, r = np.linalg.qr(drawn.standard_normal(tall))
    q = q * np.sign(np.diag(r))
    return (math.sqrt(2.0) if gain is None else gain) * (q if n_in >= n_out else q.T), np.zeros(n_out)


def _fan_in(drawn: np.random.Generator, n_in: int, n_out: int, gain: float | None) -> tuple[Array, Array]:
    """Weights and biases uniform within +-gain / sqrt(n_in) (LeCun et al. 1998, section 4.6)."""
    bound = (1.0 if gain is None else gain) / math.sqrt(n_in)
    return drawn.uniform(-bound, bound, (n_in, n_out)), drawn.uniform(-bound, bound, n_out)


_INITIAL: dict[Initial, Callable[[np.random.Generator, int, int, float | None], tuple[Array, Array]]] = {
    "orthogonal": _orthogonal,
    "fan-in": _fan_in,
}
