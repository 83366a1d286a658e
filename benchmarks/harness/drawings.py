"""The plots of a run, as files of SVG beside docs/benchmarks.md."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from harness.plot import bars, lines

__all__ = ["drawings"]

_UNITS = {
    "embed": "texts/s",
    "embed_base": "texts/s",
    "rerank": "pairs/s",
    "encode": "texts/s",
    "maxsim": "documents/s",
}


def drawings(run: Mapping[str, Any]) -> dict[str, str]:
    """Return the text of each plot by its file name, which begins with the name of its section."""
    sections = run["sections"]
    found = {
        f"{name}_speed.svg": bars(sections[name]["model"], _speeds(sections[name]["rows"]), unit)
        for name, unit in _UNITS.items()
        if name in sections
    }
    if "scaling" in sections:
        found |= _curves(sections["scaling"])
    return found


def _speeds(rows: Sequence[Mapping[str, Any]]) -> list[tuple[str, float]]:
    named = [(f"{row['title']}, {row['setting']}", row["per_second"]) for row in rows]
    return sorted(named, key=lambda each: -each[1])


def _curves(section: Mapping[str, Any]) -> dict[str, str]:
    def curve(key: str) -> dict[str, list[tuple[float, float]]]:
        names = section[key][0]["tokens_per_second"]
        return {name: [(row["at"], row["tokens_per_second"][name]) for row in section[key]] for name in names}

    memory = [(row["at"], row["peak_memory"] / 1e6) for row in section["count"]]
    return {
        "scaling_length.svg": lines("MiniLM over the length of texts", curve("length"), "tokens a text", "tokens/s"),
        "scaling_together.svg": lines(
            "MiniLM over texts of 64 tokens given at a time", curve("together"), "texts a call", "tokens/s"
        ),
        "scaling_memory.svg": lines(
            "Peak of memory over the number of texts", {"cenote, float32": memory}, "texts in one call", "MB"
        ),
    }
