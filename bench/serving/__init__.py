"""The parts of `./darkroom bench serve`: clients, the limit, the peer, and a home to ask."""
