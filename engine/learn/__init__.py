"""Learning as pure computing: pictures in as arrays, probabilities out; no HTTP, no jobs, no clock."""
