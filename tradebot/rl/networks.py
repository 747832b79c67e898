"""Stacked networks: the parameters of M members in one tensor, evaluated with batched products.

All parameters of an agent live in one flat tensor [M, P], of which the layers are views, and so does their
gradient: an optimiser step, a target copy and a gradient norm are then one operation each, however many
layers there are. The gradient is written out layer by layer, for with networks as small as ours autograd
would take longer than the products. A *slope* is the derivative of a member's loss by what is named.

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
from typing import Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import pad

from tradebot.core import Array, State
from tradebot.rl.noise import generator

Initial = Literal["orthogonal", "fan-in"]
LINE = 16  # float32 numbers in a cache line of 64 bytes


class Activation(NamedTuple):
    """What stands between two layers. Of 0 it must give 0."""

    value: Callable[[Tensor], Tensor]  # x -> y, in place
    slope: Callable[[Tensor, Tensor], Tensor]  # slope of y, y -> slope of x


TANH = Activation(torch.tanh_, torch.ops.aten.tanh_backward)
RELU = Activation(torch.relu_, lambda slope, y: torch.ops.aten.threshold_backward(slope, y, 0.0))
ACTIVATIONS = {"tanh": TANH, "relu": RELU}


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
        activation: Activation = TANH,
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
        self._activation = activation
        self.flat = torch.zeros((len(seeds), sum(map(math.prod, blocks.values()))), device=device)  # [M, P]
        self.gradient = torch.zeros_like(self.flat)  # as `backward` wrote it last
        self._shapes = blocks
        self._blocks = self._cut(self.flat)
        self._slopes = self._cut(self.gradient)
        self.parameters = {  # name -> view of flat without its padding, [M, ...]
            name: self._blocks[name][:, :rows, :columns] for name, (rows, columns) in shapes.items()
        }
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
        return self.trace(name, x)[-1]

    def trace(self, name: str, x: Tensor) -> list[Tensor]:
        """What each layer is given, for `backward`, and last what `mlp` returns. x may be padded already."""
        *hidden, n_out = self._sizes[name][1:]
        trace = [in_lines(x)]
        for i in range(len(hidden) + 1):
            weight, bias = self._blocks[f"{name}.{i}.weight"], self._blocks[f"{name}.{i}.bias"]
            given = self._activation.value(trace[i]) if i > 0 else trace[0]
            trace.append(torch.baddbmm(bias, given, weight))
        trace[-1] = trace[-1][..., :n_out]
        return trace

    def backward(self, name: str, trace: Sequence[Tensor], slope: Tensor) -> None:
        """From the slope of what `mlp` returned, [M, N, out], to those of its parameters, in `gradient`."""
        slope = in_lines(slope)
        for i in reversed(range(len(trace) - 1)):
            self._slopes[f"{name}.{i}.weight"].copy_(torch.bmm(trace[i].mT, slope))
            torch.sum(slope, 1, keepdim=True, out=self._slopes[f"{name}.{i}.bias"])
            if i > 0:
                slope = torch.bmm(slope, self._blocks[f"{name}.{i}.weight"].mT)
                slope = self._activation.slope(slope, trace[i])

    def slope_of_input(self, name: str, trace: Sequence[Tensor], slope: Tensor) -> Tensor:
        """From the slope of what `mlp` returned to that of what it was given, [M, N, in]: no gradient."""
        slope = in_lines(slope)
        for i in reversed(range(len(trace) - 1)):
            slope = torch.bmm(slope, self._blocks[f"{name}.{i}.weight"].mT)
            slope = self._activation.slope(slope, trace[i]) if i > 0 else slope
        return slope[..., : self._sizes[name][0]]

    def backward_vector(self, name: str, slope: Tensor) -> None:
        """The same of a vector, from its own slope [M, 1, size]."""
        self._slopes[name][..., : slope.shape[2]] = slope

    def tangent(self, name: str, trace: Sequence[Tensor], direction: Tensor) -> Tensor:
        """How what `mlp` returned changes as all parameters move in a direction [M, P]: [M, N, out].

        The forward-mode product with the Jacobian, of which `backward` is the transpose.
        """
        parts = self._cut(direction)
        change = torch.baddbmm(parts[f"{name}.0.bias"], trace[0], parts[f"{name}.0.weight"])
        for i in range(1, len(trace) - 1):
            through = torch.bmm(self._activation.slope(change, trace[i]), self._blocks[f"{name}.{i}.weight"])
            by_weight = torch.baddbmm(parts[f"{name}.{i}.bias"], trace[i], parts[f"{name}.{i}.weight"])
            change = through + by_weight
        return change[..., : self._sizes[name][-1]]

    def tangent_vector(self, name: str, direction: Tensor) -> Tensor:
        """The same of a vector: [M, 1, size]"""
        return self._cut(direction)[name][..., : self.parameters[name].shape[2]]

    def state_dict(self) -> State:
        return {name: value.cpu().numpy().copy() for name, value in self.parameters.items()}

    def load_state_dict(self, state: State) -> None:
        for name, value in self.parameters.items():
            given = torch.as_tensor(state[name])
            if given.shape != value.shape:  # a copy would broadcast one member to all
                raise ValueError(f"{name} has shape {tuple(given.shape)}, expected {tuple(value.shape)}")
            value.copy_(given)

    def _cut(self, flat: Tensor) -> dict[str, Tensor]:
        """flat [M, P] in blocks, padding and all: name -> [M, rows, columns]"""
        parts = flat.split([math.prod(shape) for shape in self._shapes.values()], dim=1)
        return {
            name: part.view(-1, *shape)
            for (name, shape), part in zip(self._shapes.items(), parts, strict=True)
        }


def _padded(width: int) -> int:
    """The next whole number of cache lines."""
    return -(-width // LINE) * LINE


def in_lines(x: Tensor) -> Tensor:
    """[M, N, width] -> the same, with zeros up to the next whole cache line."""
    missing = -x.shape[-1] % LINE
    return pad(x, (0, missing)) if missing else x


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
