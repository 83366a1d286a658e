"""PDF files: their text, their pictures, and files that are none."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from cenote.errors import InvalidRequest
from cenote_pdf_pages.isolated import PdfProcesses

PdfOf = Callable[..., bytes]


@pytest.fixture(scope="module")
def files() -> Iterator[PdfProcesses]:
    process = PdfProcesses(seconds=60, memory=1024**3)
    yield process
    process.close()


def read(files: PdfProcesses, data: bytes, password: str | None = None) -> str:
    """Return the text of the first page."""
    with files.open(data, password) as pdf:
        return pdf.text(1)


def pid_of(files: PdfProcesses) -> int:
    """Return the number of the first process."""
    process = files._all[0]._process
    assert process is not None
    return process.pid


def test_text_is_read_page_by_page(files: PdfProcesses, pdf_of: PdfOf, page_of: Any) -> None:
    with files.open(pdf_of("one\ntwo", page_of("turned", rotation=90), "")) as pdf:
        assert pdf.count == 3
        assert [pdf.text(number) for number in (1, 2, 3)] == ["one\ntwo", "turned", ""]
        assert pdf.text(1, most=5) == "one\nt"


def test_pages_are_rendered_at_the_resolution_and_turned(files: PdfProcesses, pdf_of: PdfOf, page_of: Any) -> None:
    page = page_of(size=(144, 72), red=True)
    with files.open(pdf_of(page, page_of(size=(144, 72), red=True, rotation=90))) as pdf:
        first, second = pdf.picture(1, 72, 1000), pdf.picture(2, 144, 1000)
    assert (first.mode, first.size, second.size) == ("RGB", (144, 72), (144, 288))
    red, white = (255, 0, 0), (255, 255, 255)
    assert (first.getpixel((10, 60)), first.getpixel((134, 60))) == (red, white)
    assert (second.getpixel((70, 20)), second.getpixel((70, 268))) == (red, white)


@pytest.mark.parametrize(
    ("size", "rendered"),
    [((720, 360), (100, 50)), ((1e9, 1e9), (100, 100)), ((1e9, 1), (100, 1)), ((1, 14400), (1, 100))],
)
def test_sides_are_capped_whatever_the_file_claims(
    files: PdfProcesses, pdf_of: PdfOf, page_of: Any, size: tuple[float, float], rendered: tuple[int, int]
) -> None:
    with files.open(pdf_of(page_of(size=size))) as pdf:
        assert pdf.picture(1, 300, 100).size == rendered


@pytest.mark.parametrize("password", ["secret", "owner"])
def test_encrypted_files_open_with_a_password(files: PdfProcesses, pdf_of: PdfOf, password: str) -> None:
    with files.open(pdf_of("hidden", password="secret"), password) as pdf:
        assert pdf.text(1) == "hidden"


def test_a_password_that_is_missing_or_wrong_is_told(files: PdfProcesses, pdf_of: PdfOf) -> None:
    file = pdf_of("hidden", password="secret")
    with pytest.raises(ValueError, match="it is encrypted; give its 'password'"):
        read(files, file)
    with pytest.raises(ValueError, match="it is encrypted, and the 'password' does not open it"):
        read(files, file, "wrong")


@pytest.mark.parametrize("data", [b"", b"%PDF", b"\x89PNG\r\n\x1a\n", b"<html>", b" " * 2000 + b"%PDF-1.4"])
def test_what_is_no_pdf_is_refused(files: PdfProcesses, data: bytes) -> None:
    with pytest.raises(ValueError, match="it is no PDF file"):
        read(files, data)


def test_damaged_files_are_refused(files: PdfProcesses, pdf_of: PdfOf) -> None:
    whole = pdf_of("text")
    for data in (b"%PDF-1.7\n", whole[:200], whole[:-40], b"%PDF-1.4\n" + bytes(range(256)) * 8, pdf_of()):
        with pytest.raises(ValueError, match="it is damaged, cut off or without pages"):
            read(files, data)


def test_a_page_that_is_missing_in_the_file_is_told(files: PdfProcesses, pdf_of: PdfOf) -> None:
    broken = pdf_of("one", "two").replace(b"6 0 obj\n<</Type/Page/", b"6 0 obj\n[/Type /Nothing/")
    with files.open(broken) as pdf:
        assert pdf.text(1) == "one"
        for use in (lambda: pdf.text(2), lambda: pdf.picture(2, 72, 100)):
            with pytest.raises(ValueError, match="page 2 is damaged"):
                use()


def test_files_are_read_from_several_threads(files: PdfProcesses, pdf_of: PdfOf) -> None:
    texts = [f"file {number}" for number in range(4)]
    read: dict[int, list[str]] = {}

    def work(number: int) -> None:
        with files.open(pdf_of(*[texts[number]] * 5)) as pdf:
            read[number] = [pdf.text(page) for page in range(1, 6) if pdf.picture(page, 72, 64)]

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert read == {number: [texts[number]] * 5 for number in range(4)}


def test_a_page_that_takes_for_ever_is_given_up(pdf_of: PdfOf, bomb_of: Callable[[int], bytes]) -> None:
    process = PdfProcesses(seconds=1, memory=1024**3)
    with pytest.raises(ValueError, match="page 1 is not read within the 1 seconds that a document may take"):
        read(process, bomb_of(32))
    assert read(process, pdf_of("the next file")) == "the next file"
    process.close()


def test_a_file_that_ends_the_process_costs_itself_alone(pdf_of: PdfOf, page_of: Any) -> None:
    process = PdfProcesses(seconds=60, memory=400 * 1024**2)
    large = pdf_of(page_of(size=(14400, 14400)))
    with process.open(large) as pdf, pytest.raises(ValueError, match=r"page 1 (cannot be read: it ends|is damaged)"):
        pdf.picture(1, 300, 50_000)
    assert read(process, pdf_of("the next file")) == "the next file"
    process.close()
    process.close()


def test_the_time_of_a_document_is_that_of_all_its_pages(pdf_of: PdfOf) -> None:
    process = PdfProcesses(seconds=1, memory=1024**3)
    with process.open(pdf_of("one", "two")) as pdf:
        assert pdf.text(1) == "one"
        time.sleep(1.1)
        with pytest.raises(ValueError, match="page 2 is not read within the 1 seconds that a document may take"):
            pdf.text(2)
    assert read(process, pdf_of("the next file")) == "the next file"
    process.close()


def test_several_files_are_read_at_once(pdf_of: PdfOf) -> None:
    files = PdfProcesses(seconds=60, memory=1024**3, number=2)
    with files.open(pdf_of("one")) as first, files.open(pdf_of("two")) as second:
        assert (first.text(1), second.text(1)) == ("one", "two")
        with (
            pytest.raises(InvalidRequest, match="Nobody waits"),
            files.open(pdf_of("three"), is_cancelled=lambda: True),
        ):
            pass
    assert read(files, pdf_of("three")) == "three"
    files.close()


def test_what_is_no_pdf_is_refused_while_all_processes_read(files: PdfProcesses, pdf_of: PdfOf) -> None:
    with files.open(pdf_of("one")), pytest.raises(ValueError, match="it is no PDF file"), files.open(b"text"):
        pass


def test_a_process_that_was_ended_by_somebody_else_costs_no_document(files: PdfProcesses, pdf_of: PdfOf) -> None:
    for name in ("one", "two", "three"):
        assert read(files, pdf_of(name)) == name
        os.kill(pid_of(files), signal.SIGKILL)


def test_a_process_knows_no_secrets_of_the_host(pdf_of: PdfOf, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_API_KEY", "secret")
    files = PdfProcesses(seconds=60, memory=1024**3)
    read(files, pdf_of("text"))
    facts = Path("/proc") / str(pid_of(files))
    names = {entry.split(b"=")[0].decode() for entry in (facts / "environ").read_bytes().split(b"\0") if entry}
    assert names <= {"PYTHONPATH", "PYTHONHOME", "LD_LIBRARY_PATH", "LANG", "LC_ALL", "LC_CTYPE"}
    limits = dict(re.findall(r"^Max (.+?)  +(\d+)", (facts / "limits").read_text(), flags=re.MULTILINE))
    wanted = {"core file size": "0", "file size": "0", "processes": "0", "open files": "64"}
    assert limits | wanted == limits
    assert limits["address space"] == str(1024**3)
    files.close()


def is_gone(pid: int) -> bool:
    facts = Path(f"/proc/{pid}/stat")
    try:  # in a container nobody may collect what has ended: it stays as a zombie
        return facts.read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


def test_the_process_ends_with_its_owner_and_when_it_is_closed(pdf_of: PdfOf) -> None:
    for is_closed in (False, True):
        files = PdfProcesses(seconds=60, memory=1024**3)
        read(files, pdf_of("text"))
        pid = pid_of(files)
        assert not is_gone(pid)
        if is_closed:
            files.close()
        else:
            del files
        with pytest.raises(ProcessLookupError):  # it is collected, too
            os.kill(pid, 0)


#: Has a file open until it is killed; argv: the file.
_OWNER = """
import sys
from cenote_pdf_pages.isolated import PdfProcesses
files = PdfProcesses(seconds=60, memory=1024**3)
with files.open(open(sys.argv[1], "rb").read()):
    print(files._all[0]._process.pid, flush=True)
    input()
"""


def test_the_process_ends_after_an_owner_that_was_killed(pdf_of: PdfOf, tmp_path: Path) -> None:
    (tmp_path / "a.pdf").write_bytes(pdf_of("text"))
    command = [sys.executable, "-c", _OWNER, str(tmp_path / "a.pdf")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout is not None
        pid = int(owner.stdout.readline())
        assert not is_gone(pid)
        owner.kill()
    while not is_gone(pid):
        time.sleep(0.05)


def test_a_process_computes_no_longer_than_a_file_may_take_though_nobody_ends_it(pdf_of: PdfOf) -> None:
    files = PdfProcesses(seconds=60, memory=1024**3)
    for _ in range(2):
        with files.open(pdf_of("text")):
            limits = (Path("/proc") / str(pid_of(files)) / "limits").read_text()
            found = re.search(r"^Max cpu time +(\d+)", limits, flags=re.MULTILINE)
            assert found is not None
            assert 60 < int(found[1]) < 70
    files.close()
    endless = "from cenote_pdf_pages.worker import allow_seconds; allow_seconds(0)\nwhile True: pass"
    assert subprocess.run([sys.executable, "-c", endless], check=False).returncode == -signal.SIGXCPU
