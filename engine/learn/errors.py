"""What can go wrong while learning.

LearnError
├── BackboneError            the folder of a backbone cannot be used
├── NotEnoughPicturesError   too few labels, or too few pictures of a label
├── ClassifierFileError      a stored classifier cannot be read
├── DetectorFileError        a stored detector cannot be read
├── PictureMapsError         stored maps of a picture cannot be read
└── NotExportableError       a backbone's network cannot become part of another
"""


class LearnError(Exception):
    """Base of all errors that this package raises on purpose."""


class BackboneError(LearnError):
    """A backbone's folder is missing, damaged or not what its manifest says."""


class NotEnoughPicturesError(LearnError):
    """There are fewer than two labels, or a label has fewer than two pictures."""


class ClassifierFileError(LearnError):
    """A stored classifier is torn, of another schema, or inconsistent."""


class DetectorFileError(LearnError):
    """A stored detector is torn, of another schema, or inconsistent."""


class PictureMapsError(LearnError):
    """Stored maps of a picture are missing, torn, or of another schema."""


class NotExportableError(LearnError):
    """A backbone's network is of an ONNX operator set that the rest of an exported model does not fit into."""
