"""Makes the network that the engine ships: a student distilled on drawn pictures (README.md); no product code."""
