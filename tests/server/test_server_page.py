"""docs/server.md names every option of the server, and no flag that does not exist."""

from __future__ import annotations

import re
from pathlib import Path

import typer.main

from cenote.cli.serve import app
from cenote.config.server import ServerConfig

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "server.md").read_text()


def flags() -> dict[str, str]:
    """Return the fields that flags of `cenote serve` fill, by flag."""
    command = typer.main.get_command(app)
    return {flag: str(item.name) for item in command.params for flag in item.opts if flag.startswith("--")}


def test_every_flag_that_the_page_names_exists() -> None:
    named = set(re.findall(r"(?<![\w-])--[a-z0-9][a-z0-9-]*", PAGE)) - {"--help"}
    assert named - set(flags()) == set()


def test_every_option_of_the_server_is_on_the_page() -> None:
    by_field = {field: flag for flag, field in flags().items()}
    missing = [
        field
        for field in ServerConfig.model_fields
        if by_field.get(field, "-") not in PAGE and f"CENOTE_{field.upper()}" not in PAGE
    ]
    assert missing == []


def test_the_defaults_that_the_page_states_are_true() -> None:
    config = ServerConfig()
    assert config.max_body_bytes == 64 * 1024**2
    assert config.h11_max_incomplete_event_size == 64 * 1024
    for value in (config.max_items_per_request, config.h11_max_header_count):
        assert f"| {value} |" in PAGE
    for value in (config.request_timeout, config.header_timeout, config.timeout_keep_alive):
        assert f"| {value:g} s |" in PAGE
    assert f"`--shutdown-grace` seconds ({config.shutdown_grace:g})" in PAGE
    assert f"`--max-log-len` characters ({config.max_log_len})" in PAGE
    assert f"`--port` ({config.port})" in PAGE
