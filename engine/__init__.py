"""The engine: serves the model-customization contract and really trains and predicts, on one machine."""

__version__ = "0.1.0"
