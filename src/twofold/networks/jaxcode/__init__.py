"""A user's network in JAX, taken as it stands: an Equinox module, or a pair of functions (init, apply).

What it computes is traced and becomes the graph that a network in PyTorch becomes, so that the same fast operations
compute both.
"""
