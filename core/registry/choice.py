"""What the operator chose: flags, variables and the file of plugins, together."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cenote.registry.entry import BUILT_IN_DISTRIBUTION, canonical_name
from cenote.registry.points import SHORT_NAMES
from cenote.registry.selection import Selection, WordList, split_words

if TYPE_CHECKING:
    from cenote.config.plugins import PluginFile

__all__ = ["Choice", "Flags", "read_choice"]

_log = logging.getLogger(__name__)

_ALLOW, _DENY, _FILE = "CENOTE_PLUGINS", "CENOTE_DISABLE_PLUGINS", "CENOTE_PLUGIN_CONFIG"


@dataclass(frozen=True, slots=True)
class Flags:
    """Values of the flags of `cenote`; None is a flag that was not given.

    Attributes:
        plugins: of `--plugins`, words separated by commas.
        disable_plugins: of `--disable-plugins`, likewise.
        plugin_config: of `--plugin-config`, a path.
    """

    plugins: str | None = None
    disable_plugins: str | None = None
    plugin_config: str | None = None


@dataclass(frozen=True, slots=True)
class Choice:
    """The lists of all sources, and what the file says besides."""

    selection: Selection
    file: PluginFile | None = None


def read_choice(flags: Flags, environment: Mapping[str, str]) -> Choice:
    """Gather all lists that were given; of files only one is read, and the flag's wins over the variable's.

    Raises:
        InvalidRequest: the file is missing or wrong.
    """
    file = _read_file(flags, environment)
    allow = [(source, split_words(text)) for source, text in _given(flags.plugins, "--plugins", environment, _ALLOW)]
    deny = [
        (source, split_words(text))
        for source, text in _given(flags.disable_plugins, "--disable-plugins", environment, _DENY)
    ]
    if file is not None:
        if file.allow is not None:
            allow.append((f"'allow' in {file.name}", file.allow))
        deny.append((f"'deny' in {file.name}", file.deny))
    for source, words in deny:
        if BUILT_IN_DISTRIBUTION in map(canonical_name, words):
            _log.warning("%s: cenote cannot be switched off as a whole; name what shall not take part.", source)
    allowed = tuple(WordList(source, words) for source, words in allow)
    return Choice(Selection(allowed, tuple(WordList(source, words) for source, words in deny if words)), file)


def _given(flag: str | None, name: str, environment: Mapping[str, str], variable: str) -> list[tuple[str, str]]:
    values = [(name, flag), (variable, environment.get(variable))]
    return [(source, text) for source, text in values if text is not None]


def _read_file(flags: Flags, environment: Mapping[str, str]) -> PluginFile | None:
    given = _given(flags.plugin_config, "--plugin-config", environment, _FILE)
    if not given or not given[0][1]:  # an empty flag means no file, whatever the variable says
        return None
    from cenote.config.plugins import read_plugin_file

    return read_plugin_file(given[0][1], given[0][0], SHORT_NAMES)
