"""Fills -> round trips, from flat to flat or through zero, where a fill ends one and opens the next.

A split multiplies the units of the trade under way, a dividend is received for them before the bar's fills.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from tradebot.core import Array


@njit(cache=True)
def round_trips(
    bar: Array,  # [N] int, of each fill, ascending
    units: Array,  # [N] signed units
    price: Array,  # [N] currency per unit
    fee: Array,  # [N] currency
    acts: Array,  # [D] int: bars with a split or a dividend, ascending
    splits: Array,  # [D] new units per old one
    dividends: Array,  # [D] currency per new unit
    mark: float,  # price at which an open position is valued
) -> tuple[Array, Array, Array, Array, Array, Array, Array, Array, Array]:
    """Returns, per trade: first fill, last fill, closed?, signed units entered, mean entry price, mean exit
    price (the mark while open), profit net of fees in currency, fees in currency, dividends in currency.
    Units and prices are those after the splits during the trade.

    A fill that turns the position is split: its fee goes to both trades in proportion to the units.
    """
    most = len(units) + 1
    first = np.zeros(most, np.int64)
    last = np.zeros(most, np.int64)
    closed = np.zeros(most, np.bool_)
    entered, entry_value = np.zeros(most), np.zeros(most)
    exited, exit_value = np.zeros(most), np.zeros(most)
    fees, received = np.zeros(most), np.zeros(most)
    n = -1  # trade that is being filled
    d = 0  # split or dividend that is next
    position = 0.0
    for i in range(len(units) + 1):
        while d < len(acts) and (i == len(units) or acts[d] <= bar[i]):
            if position != 0.0:
                position *= splits[d]
                entered[n] *= splits[d]
                exited[n] *= splits[d]
                received[n] += position * dividends[d]
            d += 1
        if i == len(units):
            break
        rest = units[i]
        if position * rest < 0.0:  # towards zero
            part = rest if abs(rest) < abs(position) else -position
            exited[n] += part
            exit_value[n] += part * price[i]
            fees[n] += fee[i] * (part / units[i])
            last[n] = i
            position += part
            rest -= part
            closed[n] = position == 0.0
        if rest != 0.0:
            if position == 0.0:
                n += 1
                first[n] = i
            entered[n] += rest
            entry_value[n] += rest * price[i]
            fees[n] += fee[i] * (rest / units[i])
            last[n] = i
            position += rest
    n += 1
    if n and not closed[n - 1]:
        exited[n - 1] -= position
        exit_value[n - 1] -= position * mark
    profit = received[:n] - (entry_value[:n] + exit_value[:n]) - fees[:n]
    return (
        first[:n],
        last[:n],
        closed[:n],
        entered[:n],
        entry_value[:n] / entered[:n],
        exit_value[:n] / exited[:n],
        profit,
        fees[:n],
        received[:n],
    )
