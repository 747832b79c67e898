"""`python -m tradebot` is `tradebot`."""

from tradebot.cli import main

main()
