"""Pictures that no camera took: scenes of textured, shaded parts, with a photograph's defects."""

from pretrain.drawings.scenes import Artist

__all__ = ["Artist"]
