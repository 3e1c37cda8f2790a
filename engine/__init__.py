"""The engine: serves the model-customization contract and really trains and predicts, on one machine."""

import os

__version__ = "0.1.0"

# From 1.32 on, onnxruntime tells its maker of each run unless this is set before it is imported; we promise silence.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
