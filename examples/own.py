"""A strategy and a feature of one's own, for any prices.

tradebot backtest --strategy examples/own.py:breakout --symbols IBM --start 2010
tradebot train ppo --features examples/own.py:trend,last_return,position --symbols IBM --end 2009-12-31

`bars` has timestamps [T], symbols [A], and open, high, low, close and volume, each [T, A]. Row t of what a
function returns may know the bars up to t; tradebot refuses one that knows more.
"""

import numpy as np
import pandas as pd


def breakout(bars):
    """Long above the highest close of the last 100 bars, out below the lowest of 50; weights [T, A]."""
    close = pd.DataFrame(bars.close)
    weight = pd.DataFrame(np.nan, close.index, close.columns)  # NaN: hold what is held
    weight[close >= close.rolling(100).max()] = 1 / len(bars.symbols)
    weight[close <= close.rolling(50).min()] = 0.0
    return weight


def trend(bars):
    """How far two means of the close lie apart, in deviations of returns; [T, A], NaN while it warms up."""
    close = pd.DataFrame(bars.close)
    means = np.log(close.ewm(span=10).mean() / close.ewm(span=50).mean())
    return means / np.log(close).diff().rolling(50).std()
