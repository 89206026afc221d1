"""What setup asks for, and what it says when it fails."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest

import host_setup
from host_setup import SetupError


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(host_setup, "LOG", tmp_path / "setup.log")
    return tmp_path / "setup.log"


def names(tests: bool) -> list[str]:
    return [step.name for step in host_setup.steps(tests)]


def test_the_demo_needs_no_test_tools(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("COMFYUI_PATH", raising=False)
    assert names(tests=False) == ["environment", "comfyui", "packages"]
    assert names(tests=True) == ["environment", "comfyui", "packages", "test_tools"]


def test_an_own_comfyui_is_not_downloaded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("COMFYUI_PATH", str(tmp_path))
    assert names(tests=False) == ["environment", "packages"]


def test_a_wrong_path_to_comfyui_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("COMFYUI_PATH", str(tmp_path))
    with pytest.raises(SetupError, match=str(tmp_path)):
        host_setup.requirements()


def test_the_requirements_of_an_own_comfyui_decide(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("COMFYUI_PATH", str(tmp_path))
    (tmp_path / "comfy").mkdir()
    (tmp_path / "main.py").touch()
    digests = set()
    for text in ("numpy", "numpy\nscipy"):
        (tmp_path / "requirements.txt").write_text(text)
        digests.add(host_setup.steps(tests=False)[-1].digest())
    assert len(digests) == 2


def test_only_comfyui_is_unpacked(tmp_path: Path):
    archive = tmp_path / "carrier.tar.gz"
    with tarfile.open(archive, "w:gz") as target:
        for name in ("carrier-1/setup.py", "carrier-1/vendor/ComfyUI/main.py", "carrier-1/vendor/ComfyUI/comfy/sd.py"):
            target.addfile(tarfile.TarInfo(name), io.BytesIO())
    host_setup.unpack(archive, tmp_path / "ComfyUI")
    files = sorted(str(path.relative_to(tmp_path / "ComfyUI")) for path in (tmp_path / "ComfyUI").rglob("*.py"))
    assert files == ["comfy/sd.py", "main.py"]


def test_a_failing_command_is_told_with_its_output(log: Path):
    with pytest.raises(SetupError, match="status 3") as error:
        host_setup.run_logged("sh", "-c", "echo no such package; exit 3")
    assert "no such package" in str(error.value)
    assert str(log) in str(error.value)


def test_output_goes_to_the_log_only(log: Path, capsys: pytest.CaptureFixture[str]):
    host_setup.run_logged("echo", "hello")
    assert "hello" in log.read_text()
    assert capsys.readouterr().out == ""


def test_only_the_failing_command_s_output_is_told(log: Path):
    host_setup.run_logged("echo", "of an earlier command")
    with pytest.raises(SetupError) as error:
        host_setup.run_logged("false")
    assert "of an earlier command" not in str(error.value)
