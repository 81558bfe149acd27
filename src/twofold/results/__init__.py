"""Where results are kept."""

from twofold.results.store import DEFAULT_URL as DEFAULT_URL
from twofold.results.store import Store as Store
from twofold.results.store import new_owner as new_owner
