"""The parts of `bench/coco.py`: one module a case, and what they share."""
