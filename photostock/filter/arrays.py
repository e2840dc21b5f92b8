"""Arrays that are artifacts of a release of the filter, as NumPy's own files."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import numpy.typing as npt

from common.versions.registry import ArtifactError, Release


def npy_bytes(array: npt.NDArray[Any]) -> bytes:
    """The artifact."""
    file = io.BytesIO()
    np.save(file, array, allow_pickle=False)
    return file.getvalue()


def read_npy(release: Release, name: str) -> npt.NDArray[Any] | None:
    """None if the release has no such artifact; `ArtifactError` if it is no array."""
    if name not in release.manifest.artifacts:
        return None
    try:
        with release.path(name).open("rb") as file:
            array: npt.NDArray[Any] = np.lib.format.read_array(file, allow_pickle=False)
    except Exception as error:  # what a header that is not one leads to is up to Python's tokenizer
        raise ArtifactError(f"filter {release.manifest.version}: {name} can't be read: {error}") from error
    return array
