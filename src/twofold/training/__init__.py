"""Training: one network as a pure function, many at once on every device."""
