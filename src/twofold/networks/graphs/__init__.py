"""A user's network as a graph of ATen's operations, whatever it was written in, and all that is read from that."""
