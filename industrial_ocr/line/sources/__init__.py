"""Sources of pictures: a folder, a camera, or pictures that are posted."""

from __future__ import annotations

from pathlib import Path

from industrial_ocr.line.job_sources import CameraSource, FolderSource, HttpSource, SourceConfig
from industrial_ocr.line.sources.base import Known, PictureSource
from industrial_ocr.line.sources.cameras import Genicam, VideoCamera
from industrial_ocr.line.sources.folder import Folder
from industrial_ocr.line.sources.posted import PostedPictures

__all__ = ["PictureSource", "PostedPictures", "make_source"]


def make_source(config: SourceConfig, data: Path, known: Known) -> PictureSource:
    """Makes the source that a section of the job describes, and starts it.

    Args:
        config: the section.
        data: folder of the journal, where posted pictures are kept.
        known: see ``Folder``.

    Raises:
        LineError: the source cannot be used.
        MissingPackageError: a package is not installed.
    """
    if isinstance(config, FolderSource):
        return Folder(config, known)
    if isinstance(config, HttpSource):
        return PostedPictures(data / "posted")
    camera = VideoCamera(config) if isinstance(config, CameraSource) else Genicam(config)
    camera.start()
    return camera
