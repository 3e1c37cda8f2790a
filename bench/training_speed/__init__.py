"""How long jobs take, and how much memory: the parts of `bench.train`."""
