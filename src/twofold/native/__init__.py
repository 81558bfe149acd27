"""Our operations for a processor: the interface to XLA, and kernels that Numba compiles; nothing of networks."""
