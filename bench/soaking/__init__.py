"""The parts of the soak: pictures to serve, an engine to kill, callers, and what they keep count of."""
