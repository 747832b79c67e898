"""The faults of Yahoo, yfinance and the network in words that a person understands.

`Passing` ones may be over soon; another request would not mend the others.
"""

from __future__ import annotations

import re

from curl_cffi.requests import exceptions as faults
from yfinance.exceptions import (  # type: ignore[import-untyped]
    YFDataException,
    YFPricesMissingError,
    YFRateLimitError,
    YFTickerMissingError,
)

from tradebot.core import InputError
from tradebot.prices.sources.retrying import Busy, Passing, Refused, Silent

_CUT = 56  # curl's number for a connection that ends in the middle of an answer


def explained(error: Exception, timeout: float, status: int) -> InputError | OSError:
    """What an exception means; `status` is that of the last answer with prices."""
    match error:
        case InputError() | Passing():
            return error
        case YFRateLimitError():
            return Refused("Yahoo refuses, there were too many requests from here (429): wait some minutes")
        case YFDataException():
            return Busy("Yahoo says that it is down: try again later")
        case YFTickerMissingError() if status in (401, 403):
            return OSError(f"Yahoo refuses to answer from here ({status}): try again later")
        case YFPricesMissingError(yahoo_reason=str(reason)):
            return InputError(f"Yahoo has no prices for this span ({_line(reason)})")
        case YFTickerMissingError():
            return InputError("Yahoo has no prices for this symbol and span")
    if isinstance(error, OSError | ValueError):
        return _of_the_network(error, timeout)
    what = f"{type(error).__name__}: {_line(error)}"
    return OSError(f"Yahoo's answer is of another form than expected ({what}): a newer yfinance may know it")


def _of_the_network(error: OSError | ValueError, timeout: float) -> OSError:
    match error:
        case OSError() if not isinstance(error, faults.RequestException):
            return error
        case faults.Timeout():
            return Silent(
                f"Yahoo did not answer within {timeout:g} s: check the network, or give it more --timeout"
            )
        case faults.DNSError() | faults.ProxyError():
            return ConnectionError(f"no way to Yahoo ({_line(error)}): check the network and its proxy")
        case faults.CertificateVerifyError() | faults.SSLError():
            return ConnectionError(
                f"no trusted connection to Yahoo ({_line(error)}): is there a proxy whose certificate must be"
                " named in SSL_CERT_FILE?"
            )
        case faults.IncompleteRead() | faults.ChunkedEncodingError():
            return Passing("Yahoo's answer broke off in the middle: try again")
        case faults.ConnectionError() if error.code == _CUT:
            return Passing("Yahoo's answer broke off in the middle: try again")
        case faults.ConnectionError():
            return ConnectionError(f"no connection to Yahoo ({_line(error)}): check the network")
        case faults.RequestException() if not isinstance(error, ValueError):
            return Passing(f"Yahoo could not be asked ({_line(error)}): try again")
    return Passing("Yahoo's answer is damaged or no prices at all: try again")


def _line(text: object) -> str:
    """In one line, without what curl says to programmers."""
    words = re.sub(
        r"Failed to perform, curl: \(\d+\) |\. See https://curl.*", "", " ".join(str(text).split())
    )
    return words[:150].rstrip(". ")
