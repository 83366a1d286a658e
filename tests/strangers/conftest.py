"""Clean environments that share one torch, with wheels of cenote and of a stranger's plugin to install into them."""

from __future__ import annotations

import contextlib
import os
import re
import runpy
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import httpx
import pytest

from cenote.testing.checkpoints import build_static
from cenote.testing.live import serving

#: The plugin's own tests run in an environment that it is installed in.
collect_ignore = ["acme"]

ROOT = Path(__file__).resolve().parents[2]
ACME = Path(__file__).with_name("acme")
#: What a new environment does not get from the running one: this project, and whatever reaches into a checkout.
#: Nor does it get what adds plugins to pytest, beyond what `cenote[testing]` asks for: every start would import them.
_LEFT_OUT = re.compile(
    r"_*(editable_+)?cenote.*|__editable__.*|.*\.(pth|egg-link)|_?hypothesis.*|schemathesis.*|(pytest_)?xdist.*",
    re.IGNORECASE,
)
_LEFTOVERS = shutil.ignore_patterns("__pycache__", "*.egg-info", "build", "dist")
#: What each version of the plugin changes in the files of the first: file, a text in it, the text in its place.
_VERSIONS: Mapping[str, tuple[tuple[str, str, str], ...]] = {
    "0.1.0": (),
    "0.2.0": (("adapter.py", "torch.tanh", "torch.sin"),),
    "0.3.0": (("pyproject.toml", "cenote>=0.1,<0.2", "cenote>=9,<10"),),
    "0.4.0": (("__init__.py", "__all__ =", "raise RuntimeError('Acme forgot something')\n__all__ ="),),
}


class Venv:
    """A virtual environment that sees linked libraries, and beside them only what is installed into it."""

    def __init__(self, folder: Path, libraries: Path) -> None:
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
        self.folder = folder
        self.python = folder / "bin" / "python"
        (site,) = folder.glob("lib/python*/site-packages")
        (site / "libraries.pth").write_text(f"{libraries}\n")
        self.neutral = folder / "neutral"
        self.neutral.mkdir()

    def install(self, *wheels: Path) -> None:
        """Install wheels, or newer versions of what is installed."""
        self._pip("install", "--no-deps", "--no-index", "--upgrade", *map(str, wheels))

    def uninstall(self, name: str) -> None:
        """Take a distribution out."""
        self._pip("uninstall", "--yes", name)

    def cenote(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run the command line from a neutral directory."""
        return self._run([str(self.folder / "bin" / "cenote"), *arguments], variables)

    def run_python(self, code: str, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        """Run a program text from a neutral directory."""
        return self._run([str(self.python), "-c", code, *arguments], {}, stdin)

    @contextlib.contextmanager
    def serving(self, *arguments: str) -> Iterator[str]:
        """Run `cenote serve` on a free port, and yield its address; `log` tells what it wrote."""
        with serving(self.folder / "server.log", *arguments, python=str(self.python), environment=_bare()) as address:
            yield address

    def log(self) -> str:
        """Return what the last server wrote to its error stream."""
        return (self.folder / "server.log").read_text()

    def _run(self, command: list[str], variables: dict[str, str], stdin: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command,
            input=stdin,
            capture_output=True,
            text=True,
            env={**os.environ, **_bare(), **variables},
            cwd=self.neutral,
            timeout=120,
            check=False,
        )

    def install_editable(self, folder: Path) -> None:
        """Install a repository as its author does."""
        self._pip("install", "--no-deps", "--no-index", "--no-build-isolation", "--editable", str(folder))

    def _pip(self, *arguments: str) -> None:
        command = [sys.executable, "-m", "pip", "--python", str(self.python), "--disable-pip-version-check", *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


def _bare() -> dict[str, str]:
    return {"HF_HUB_OFFLINE": "1", "COLUMNS": "200", "NO_COLOR": "1"}


@pytest.fixture(scope="session")
def libraries(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Links to every library of the running environment; this project's own distributions are left out."""
    folder = tmp_path_factory.mktemp("libraries")
    for place in sys.path:
        if any(Path(place).glob("*.dist-info")):
            for path in Path(place).iterdir():
                link = folder / path.name
                if not _LEFT_OUT.fullmatch(path.name) and not link.exists():
                    link.symlink_to(path)
    return folder


@pytest.fixture(scope="session")
def core_wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of cenote, built from a copy, because a build leaves folders beside its sources."""
    folder = tmp_path_factory.mktemp("core") / "sources"
    shutil.copytree(ROOT / "core", folder / "core", ignore=_LEFTOVERS)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, folder)
    return _wheel(folder)


@pytest.fixture(scope="session")
def acme_wheel(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Builds a version of the plugin from a repository of its own, at most once."""
    built: dict[str, Path] = {}

    def wheel_of(version: str) -> Path:
        if version not in built:
            folder = tmp_path_factory.mktemp("acme") / "repository"
            shutil.copytree(ACME, folder, ignore=_LEFTOVERS)
            changes = (("pyproject.toml", 'version = "0.1.0"', f'version = "{version}"'), *_VERSIONS[version])
            for name, old, new in changes:
                _replace(folder, name, old, new)
            built[version] = _wheel(folder)
        return built[version]

    return wheel_of


def _replace(folder: Path, name: str, old: str, new: str) -> None:
    (path,) = folder.rglob(name)
    text = path.read_text()
    assert text.count(old) == 1, f"{name} must have {old!r} once"
    path.write_text(text.replace(old, new))


def _wheel(source: Path) -> Path:
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", "dist", "."]
    done = subprocess.run(command, capture_output=True, text=True, cwd=source, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (wheel,) = (source / "dist").glob("*.whl")
    return wheel


@pytest.fixture(scope="session")
def new_venv(tmp_path_factory: pytest.TempPathFactory, libraries: Path, core_wheel: Path) -> Callable[[], Venv]:
    """Creates an environment with cenote in it, and nothing else of this repository."""

    def create() -> Venv:
        venv = Venv(tmp_path_factory.mktemp("venv") / "venv", libraries)
        venv.install(core_wheel)
        return venv

    return create


@pytest.fixture(scope="session")
def acme_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny checkpoint of the plugin's architecture, written by the plugin's own code."""
    write = runpy.run_path(str(ACME / "src" / "cenote_acme" / "lookalike.py"))["write_checkpoint"]
    return Path(write(tmp_path_factory.mktemp("acme") / "acme-model"))


@pytest.fixture(scope="session")
def installed(new_venv: Callable[[], Venv], acme_wheel: Callable[[str], Path], acme_model: Path) -> Venv:
    """An environment with cenote and the first version of the plugin; its model is in the directory of commands."""
    venv = new_venv()
    venv.install(acme_wheel("0.1.0"))
    (venv.neutral / acme_model.name).symlink_to(acme_model)
    return venv


@pytest.fixture(scope="session")
def static_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny checkpoint that the core's own adapters load, and quickly."""
    return build_static("model2vec", tmp_path_factory.mktemp("static"))


@pytest.fixture(scope="session")
def client(installed: Venv) -> Iterator[httpx.Client]:
    """A client of a server of Acme's model, with the processor and the routes switched on."""
    options = ("--served-model-name", "acme", "--io-processor-plugin", "acme-nearest", "--routes", "acme")
    with (
        installed.serving(str(installed.neutral / "acme-model"), *options) as address,
        httpx.Client(base_url=address) as client,
    ):
        yield client
