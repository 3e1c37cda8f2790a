"""Finds labelled boxes in the maps of a frozen backbone; NumPy alone."""

from engine.learn.detector.boxes import Boxes, Detections
from engine.learn.detector.detector import Detector
from engine.learn.detector.fit import FittedDetector, fit_detector
from engine.learn.detector.maps import SIDE, MapSource, PictureMaps, picture_maps
from engine.learn.errors import DetectorFileError, PictureMapsError

__all__ = [
    "SIDE",
    "Boxes",
    "Detections",
    "Detector",
    "DetectorFileError",
    "FittedDetector",
    "MapSource",
    "PictureMaps",
    "PictureMapsError",
    "fit_detector",
    "picture_maps",
]
