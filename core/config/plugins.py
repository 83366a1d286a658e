"""The operator's file of plugins: which take part, which must work, and their settings. Imports nothing heavy."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from cenote.errors import InvalidRequest

__all__ = ["PluginFile", "read_plugin_file"]

_LISTS = ("allow", "deny", "required")


@dataclass(frozen=True, slots=True)
class PluginFile:
    """What the file says.

    Attributes:
        name: of the file, without its folders, as messages show it.
        allow: only what these words name takes part; None is no limit.
        deny: what these words name does not take part.
        required: what these words name must work, or `cenote serve` does not start.
        settings: per `group/name` of a plugin, what it is told.
    """

    name: str
    allow: frozenset[str] | None = None
    deny: frozenset[str] = frozenset()
    required: tuple[str, ...] = ()
    settings: Mapping[str, Mapping[str, Any]] = field(default_factory=lambda: MappingProxyType({}))


def read_plugin_file(path: str, source: str, groups: Collection[str]) -> PluginFile:
    """Read a TOML file.

    ```toml
    [plugins]
    allow = ["cenote-colbert", "io_processors/*"]
    deny = ["routes/debug"]
    required = ["io_processors/pdf-pages"]

    [settings."io_processors/pdf-pages"]
    max_pages = 100
    ```

    Args:
        path: of the file.
        source: who named it, as messages show it: a flag or a variable.
        groups: names of groups that a key of `settings` may have in front of its `/`.

    Raises:
        InvalidRequest: the file is missing or no TOML, has an unknown key, or a value of a wrong type.
    """
    import tomllib

    where = f"{source} {path!r}"
    try:
        with Path(path).open("rb") as file:
            content = tomllib.load(file)
    except FileNotFoundError as exc:
        raise InvalidRequest(f"{where}: there is no such file.", param=source) from exc
    except OSError as exc:
        raise InvalidRequest(f"{where} cannot be read: {exc.strerror}.", param=source) from exc
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as exc:
        raise InvalidRequest(f"{where} is no TOML: {exc}.", param=source) from exc
    _check_keys(where, "key", content, ("plugins", "settings"))
    lists = _table(where, "plugins", content.get("plugins", {}))
    _check_keys(where, "key", lists, _LISTS, "plugins.")
    words = {key: _words(where, f"plugins.{key}", lists[key]) for key in _LISTS if key in lists}
    return PluginFile(
        name=Path(path).name,
        allow=frozenset(words["allow"]) if "allow" in words else None,
        deny=frozenset(words.get("deny", ())),
        required=words.get("required", ()),
        settings=_settings(where, content.get("settings", {}), groups),
    )


def _settings(where: str, value: object, groups: Collection[str]) -> Mapping[str, Mapping[str, Any]]:
    found = {}
    for key, settings in _table(where, "settings", value).items():
        group, slash, name = key.partition("/")
        if not (slash and name) or group not in groups:
            form = 'write [settings."GROUP/NAME"]'
            raise InvalidRequest(f"{where}: unknown settings {key!r}; {form}.{_nearest(group, groups)}", param=key)
        found[key] = MappingProxyType(_table(where, f'settings."{key}"', settings))
    return MappingProxyType(found)


def _check_keys(where: str, what: str, table: Mapping[str, Any], known: Collection[str], prefix: str = "") -> None:
    for key in table:
        if key not in known:
            text = f"{where}: unknown {what} {prefix + key!r}.{_nearest(key, known)}"
            raise InvalidRequest(text, param=prefix + key)


def _table(where: str, key: str, value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise InvalidRequest(f"{where}: {key} must be a table, not {value!r:.80}.", param=key)
    return value


def _words(where: str, key: str, value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(word, str) for word in value):
        raise InvalidRequest(f"{where}: {key} must be a list of strings, not {value!r:.80}.", param=key)
    return tuple(word.strip() for word in value if word.strip())


def _nearest(key: str, known: Collection[str]) -> str:
    near = difflib.get_close_matches(key, list(known), n=1)
    return f" Did you mean {near[0]!r}?" if near else f" Known: {', '.join(known)}."
