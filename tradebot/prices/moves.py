"""Checks of what prices do from bar to bar: jumps, splits that nobody adjusted for, factors of 100, and the
factor between close and adj_close."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

import numpy as np

from tradebot.core import Array
from tradebot.prices.series import LONGER_THAN_DAILY, Mark, Series, mark
from tradebot.prices.validity import PRICES

_JUMP, _DEVIATIONS = 0.35, 10.0  # log of a move, and times the usual one, that is worth a look
_SPLITS = np.array(
    [1.5, 2, 2.5, 3, 4, 5, 6, 7, 8, 9, 10, 12, 15, 16, 20, 25, 30, 40, 50]
)  # new shares per old
_SPLIT_ROUNDING = 0.12  # log: what a price moves besides, overnight and until the close
_SURGE, _BEFORE = 3.0, 20  # times the usual volume of so many bars, that a split does not explain
_HUNDREDFOLD, _HUNDREDFOLD_ROUNDING = np.log([100.0, 1000.0]), 0.3
_FEW = 0.1  # of all bars: where the factor moves at more, it is no factor of splits and dividends
_NOISE = 1e-5  # relative; sources round adj_close anew each time
_BIG = 0.3  # log: more than a dividend
_SPIKE = 0.2  # of a move: as near must the factor come back

_WEEK = np.timedelta64(7, "D")


def check_moves(rows: Series) -> list[Mark]:
    """`hundredfold`: bars of another unit, such as pence for pounds. `splits`: overnight moves of nearly a
    simple ratio; an error unless the volume tells that there was news. `jumps`: other moves beyond 42 % up or
    30 % down, and ten times the usual."""
    if not len(rows.date):
        return []
    factor = (
        np.log(rows["adj_close"] / rows["close"]) if "adj_close" in rows.columns else np.zeros(len(rows.date))
    )
    close, open_ = np.log(rows["close"]) + factor, np.log(rows["open"]) + factor
    split = _announced(rows)
    move = np.where(rows.follows, close - rows.before(close) + split, 0.0)
    overnight = np.where(rows.follows, open_ - rows.before(close) + split, 0.0)
    is_far, edges = _hundredfold(rows, move)
    marks = mark("hundredfold", "error", rows, is_far, lambda r: _wrong_unit(rows, r))

    spread = _usual_moves(rows, move)
    pause = np.append(_WEEK, np.diff(rows.date)) / _WEEK
    limit = np.maximum(_JUMP, _DEVIATIONS * spread[rows.code]) * np.sqrt(np.clip(pause, 1, None))
    ratio = _nearest(move)
    is_split = (ratio != 1) & (np.abs(move + np.log(ratio)) < _SPLIT_ROUNDING)
    is_split &= (np.abs(overnight + np.log(ratio)) < _SPLIT_ROUNDING) & ~edges
    is_split &= np.abs(move) > 6 * spread[rows.code]
    surge = np.array([_surge(rows, int(r)) for r in np.flatnonzero(is_split)])
    is_news = surge > _SURGE * np.maximum(ratio[is_split], 1)
    candidates = np.flatnonzero(is_split)
    times = dict(zip(candidates.tolist(), surge.tolist(), strict=True))

    def say(r: int) -> str:
        volume = f", on {times[r]:.3g} times the usual volume" if times[r] else ""
        volume += ", as at news" if times[r] > _SURGE * max(ratio[r], 1) else ""
        return f"{_step(rows, r)}{_split(ratio[r])}{volume}"

    marks += mark("splits", "error", rows, candidates[~is_news], say)
    marks += mark("splits", "warning", rows, candidates[is_news], say)
    is_jump = (np.abs(move) > limit) & ~is_split & ~edges
    return marks + mark("jumps", "warning", rows, is_jump, lambda r: _step(rows, r))


def _announced(rows: Series) -> Array:
    """[R] log of the new shares per old one, as a column of splits tells; 0 where prices are adjusted."""
    if "splits" not in rows.columns or "adj_close" in rows.columns:
        return np.zeros(len(rows.date))
    splits = rows["splits"]
    return np.log(np.where(splits > 0, splits, 1.0))


def _usual_moves(rows: Series, move: Array) -> Array:
    """[A] standard deviation of a symbol's moves, told from the middle half of them."""
    parts = (np.abs(move[rows.span(a)][1:]) for a in range(len(rows.symbols)))
    return np.array([1.4826 * np.median(part) if len(part) else 0.0 for part in parts])


def _nearest(move: Array) -> Array:
    """[R] new shares per old one, at the split that moves a price most nearly so; 1 for none."""
    ratios = np.concatenate([1 / _SPLITS[::-1], [1.0], _SPLITS])
    logs = np.log(ratios)
    return ratios[np.searchsorted((logs[1:] + logs[:-1]) / 2, -move)]


def _surge(rows: Series, r: int) -> float:
    """Volume of the row in units of the median of the bars before; 0 where nothing is known of it."""
    own = rows.span(rows.code[r])
    usual = np.median(rows["volume"][max(own.start, r - _BEFORE) : r])
    return float(rows["volume"][r] / usual) if usual > 0 else 0.0


def _step(rows: Series, r: int) -> str:
    before, after = rows["close"][r - 1], rows["close"][r]
    return f"close {before:g} -> {after:g} ({after / before - 1:+.1%})"


def _split(ratio: float) -> str:
    shares = Fraction(ratio).limit_denominator(int(_SPLITS[-1]))
    return f", like a split of {shares.numerator} for {shares.denominator}"


def _hundredfold(rows: Series, move: Array) -> tuple[Array, Array]:
    """[R] bars that stand a hundredfold off, and [R] bars at which this begins or ends.

    What comes back was wrong in between, whatever adj_close says. Else the shorter side was.
    """
    raw = _raw_moves(rows)
    top, bottom = np.maximum(rows["open"], rows["close"]), np.minimum(rows["open"], rows["close"])
    least = np.exp(_HUNDREDFOLD[0] - _HUNDREDFOLD_ROUNDING)
    is_far = (rows["high"] > least * top) | (bottom > least * rows["low"])
    is_edge = _is_hundredfold(raw)
    edges = np.flatnonzero(is_edge)
    k = 0
    while k < len(edges):
        r = int(edges[k])
        following = int(edges[k + 1]) if k + 1 < len(edges) else -1
        if following > 0 and rows.code[following] == rows.code[r] and raw[following] * raw[r] < 0:
            own = rows.span(rows.code[r])
            is_inner = following - r <= (own.stop - own.start) / 2
            is_far[r:following] |= is_inner
            if not is_inner:  # what is longer is right
                is_far[own.start : r] = is_far[following : own.stop] = True
            k += 2
            continue
        if _is_hundredfold(move[r : r + 1])[0]:
            own = rows.span(rows.code[r])
            side = slice(own.start, r) if r - own.start < own.stop - r else slice(r, own.stop)
            is_far[side] = True
        else:
            is_edge[r] = False  # a split that adj_close knows
        k += 1
    return is_far, is_edge


def _raw_moves(rows: Series) -> Array:
    """[R] log of the close over the one before."""
    close = np.log(rows["close"])
    return np.where(rows.follows, close - rows.before(close), 0.0)


def _is_hundredfold(move: Array) -> Array:
    size = np.abs(move)
    near = [np.abs(size - unit) < _HUNDREDFOLD_ROUNDING for unit in _HUNDREDFOLD]
    found: Array = np.logical_or(*near)
    return found


def _wrong_unit(rows: Series, r: int) -> str:
    own = rows.span(rows.code[r])
    usual = np.median(rows["close"][max(own.start, r - 50) : min(own.stop, r + 50)])
    prices = ", ".join(f"{name} {rows[name][r]:g}" for name in PRICES)
    return f"{prices} among closes of about {usual:g}"


def check_adjustment(rows: Series) -> list[Mark]:
    """`adjustment`: adj_close / close must stay between splits and dividends, rise at those, and fall only at
    a reverse split, with the price rising as much."""
    if "adj_close" not in rows.columns or not len(rows.date):
        return []
    factor = np.log(rows["adj_close"] / rows["close"])
    noise = _noise(rows)
    move = np.where(rows.follows, factor - rows.before(factor), 0.0)
    noise = np.maximum(noise + rows.before(noise), _NOISE)
    raw = _raw_moves(rows)
    is_move = np.abs(move) > noise
    after = np.append(move[1:], 0.0)
    is_spike = (
        is_move
        & (np.abs(move + after) <= np.maximum(_SPIKE * np.abs(move), noise))
        & np.append(rows.follows[1:], False)
    )
    is_end = np.append(False, is_spike[:-1])
    # A split moves the price against the factor; a dividend does so too, but by less than prices do anyway.
    is_answered = np.abs(move + raw) < np.maximum(_BIG, 0.5 * np.abs(move))
    is_wrong = is_move & (
        (move < 0) & ~((np.abs(move) > np.log(1.04)) & is_answered) | (move > _BIG) & ~is_answered
    )
    is_bad = is_spike | (is_wrong & ~is_end)
    before = np.exp(rows.before(factor))

    def say(r: int) -> str:
        if not rows.follows[r]:
            return f"adj_close / close is {np.exp(factor[r]):.6g}"
        return f"adj_close / close {before[r]:.6g} -> {np.exp(factor[r]):.6g} while {_step(rows, r)}"

    marks = mark("adjustment", "error", rows, is_bad, say)
    return marks + _drifting(rows, is_move, say) + _unannounced(rows, is_move, move, say)


def _noise(rows: Series) -> Array:
    """[R] relative error of the factor by the decimals that close and adj_close were written with."""
    total = np.zeros(len(rows.date))
    for name in ("close", "adj_close"):
        for a in range(len(rows.symbols)):
            own = rows.span(a)
            values = rows[name][own]
            for digits in (2, 3, 4):
                if np.abs(np.round(values, digits) - values).max(initial=0.0) <= 1e-9 * values.max(
                    initial=1.0
                ):
                    total[own] += 0.55 * 10.0**-digits / values
                    break
    return total


def _drifting(rows: Series, is_move: Array, say: Callable[[int], str]) -> list[Mark]:
    """The factor moves too often, at daily or shorter bars."""
    marks: list[Mark] = []
    for a in map(int, np.flatnonzero(rows.step < LONGER_THAN_DAILY)):
        own = rows.span(a)
        if is_move[own].mean() > _FEW and is_move[own].sum() > 2:
            which = own.start + np.flatnonzero(is_move[own])
            marks += mark("adjustment", "error", rows, which, lambda r: f"moves at most bars: {say(r)}")
    return marks


def _unannounced(rows: Series, is_move: Array, move: Array, say: Callable[[int], str]) -> list[Mark]:
    """The factor moves at a bar without a dividend or split, or not at one with a dividend."""
    if "dividends" not in rows.columns:
        return []
    paid = rows["dividends"] > 0
    split = (rows["splits"] > 0) & (rows["splits"] != 1) if "splits" in rows.columns else np.zeros_like(paid)
    tells = np.bincount(rows.code, weights=paid | split, minlength=len(rows.symbols)) > 0
    is_secret = is_move & ~paid & ~split & tells[rows.code]
    share = np.where(rows.follows, rows["dividends"] / rows.before(rows["close"]), 0.0)
    is_forgotten = paid & ~is_move & (share > 1e-3)
    marks = mark("adjustment", "warning", rows, is_secret, lambda r: f"no dividend, no split, but {say(r)}")
    return marks + mark(
        "adjustment",
        "warning",
        rows,
        is_forgotten,
        lambda r: f"a dividend of {rows['dividends'][r]:g} is not in adj_close",
    )
