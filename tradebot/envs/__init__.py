"""Worlds other than trading."""
