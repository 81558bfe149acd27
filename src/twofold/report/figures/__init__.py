"""Figures: `catalogue` says which a command draws, `files` writes them; only drawing loads matplotlib."""
