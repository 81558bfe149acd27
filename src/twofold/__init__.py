"""Twofold measures what an architectural prior is worth."""

__version__ = "0.1.0"
