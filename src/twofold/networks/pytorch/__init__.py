"""A user's network in PyTorch, taken as it stands: its exported graph is computed in JAX.

`export.py` and `weights.py` need PyTorch; `graph.py` needs neither that nor JAX.
"""
