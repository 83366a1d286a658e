"""What `cenote bench` refuses, before it measures anything."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from cenote.cli.bench import app
from cenote.errors import InvalidRequest


def refusal(*arguments: str) -> BaseException | None:
    """Run the command and return what it raises."""
    return CliRunner().invoke(app, [*arguments, "--rounds", "1"]).exception


@pytest.mark.parametrize(
    ("device", "reason"),
    [("meta", "meta tensors"), ("foo", "device type"), ("", "must not be empty"), ("hpu", "hpu"), ("cpu:x", "Invalid")],
)
def test_devices_on_which_nothing_can_be_computed_are_refused(device: str, reason: str) -> None:
    found = refusal("kernels", "rotary", "--tokens", "8", "--device", device)
    assert isinstance(found, InvalidRequest)
    assert str(found).startswith(f"There is no device {device!r} here that can compute (")
    assert reason in str(found)
    assert "\n" not in str(found)
