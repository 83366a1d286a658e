"""What cenote is meant to reach, beside what a run has measured."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.agreement import COSINES
from harness.rates import at_most

__all__ = ["Target", "targets"]

_Section = Mapping[str, Any]

_ST, _OV, _VLLM, _PYLATE = "sentence-transformers", "openvino", "vllm", "pylate"
#: Section, cenote's setting, the other library, its setting, and how many times as fast cenote shall be.
_RATIOS = (
    *((name, "float32", _ST, "float32", 2.7) for name in ("embed", "embed_base", "rerank")),
    *((name, "float32", _OV, "float32", 1.4) for name in ("embed", "embed_base")),
    *((name, "float32", _VLLM, "float32", 2.0) for name in ("embed", "embed_base", "rerank")),
    *((name, "bfloat16", _OV, "bfloat16", 1.5) for name in ("embed", "embed_base")),
    *((name, "bfloat16", _VLLM, "bfloat16", 2.0) for name in ("embed", "embed_base", "rerank")),
    *((name, "int8", _OV, "int8", 1.5) for name in ("embed", "embed_base")),
    ("maxsim", "float32", _PYLATE, "float32", 3.0),
    ("maxsim", "bfloat16", _PYLATE, "float32", 6.0),
    ("maxsim", "int8", _PYLATE, "float32", 6.0),
)
#: Section, setting, and the share of the matmul rate.
_SHARES = (
    ("embed", "float32", 0.75),
    ("embed_base", "float32", 0.88),
    ("embed", "bfloat16", 0.65),
    ("embed_base", "bfloat16", 0.80),
)
_WORKS = {
    "embed": "embedding",
    "embed_base": "embedding, BERT-base shape",
    "rerank": "reranking",
    "encode": "vectors per token",
    "maxsim": "MaxSim",
}
#: Peers whose start imports no torch.
_WITHOUT_TORCH = ("fastembed",)
#: Of one short text in process: times the products, and milliseconds beside; of a server, milliseconds beside that.
_TIMES, _BESIDE, _SERVER = 1.5, 1.0, 1.5
_FIRST_ANSWER, _HELP, _ROOM = 3.0, 0.5, 400e6
_SERVERS = ((_VLLM, 1.5), ("infinity", 3.0))
#: Differences in speed that are noise, and those of servers.
_NOISE, _SERVER_NOISE = 0.15, 0.25
#: Steps of a bulk job that a short query may wait for, and the milliseconds that a step may last meanwhile.
_STEPS, _STEP = 2, 25
#: Part of the speed that may be lost between lengths, and to what is cut off; and memory that may grow beside results.
_EVEN, _GROWTH = 0.15, 0.1


@dataclass(frozen=True, slots=True)
class Target:
    """One line of the table.

    Attributes:
        work: what is measured.
        wanted: the target in words.
        measured: the figure.
        met: whether it is reached.
        close: whether a difference that is noise decides this.
    """

    work: str
    wanted: str
    measured: str
    met: bool
    close: bool = False

    @classmethod
    def ratio(cls, work: str, wanted: str, measured: str, ratio: float, noise: float = _NOISE) -> Target:
        """Return a target of speed or time that is met from a `ratio` of 1 on."""
        return cls(work, wanted, measured, ratio >= 1, 1 / (1 + noise) < ratio < 1 + noise)


def targets(run: Mapping[str, Any]) -> list[Target]:
    """Return the targets for which the run has figures: a library that did not take part leaves its lines out."""
    sections = run["sections"]
    found = [*_ratios(sections), *_ahead(sections), *_shares(sections)]
    others: Sequence[tuple[str, Callable[[_Section, Mapping[str, Any]], Iterator[Target]]]] = (
        ("embed", _embedding),
        ("serve", _server),
        ("start", _start),
        ("scaling", _scaling),
    )
    for name, lines in others:
        if name in sections:
            found += lines(sections[name], sections)
    return found


def _ratios(sections: Mapping[str, _Section]) -> Iterator[Target]:
    for name, setting, peer, theirs, times in _RATIOS:
        speeds = _speeds(sections.get(name))
        if ("cenote", setting) in speeds and (peer, theirs) in speeds:
            ratio = speeds["cenote", setting] / speeds[peer, theirs]
            wanted = f"{times:g} x {_title(sections[name], peer)}" + ("" if theirs == setting else f" {theirs}")
            yield Target.ratio(f"{_WORKS[name]}, {setting}", f"at least {wanted}", f"{ratio:.2f} x", ratio / times)


def _ahead(sections: Mapping[str, _Section]) -> Iterator[Target]:
    """Compare with the fastest other library in the same setting that is within tolerance, and name faster ones."""
    for name, work in _WORKS.items():
        if name not in sections:
            continue
        for setting in ("float32", "bfloat16", "int8"):
            rows = [row for row in sections[name]["rows"] if row["setting"] == setting]
            own = next((row["per_second"] for row in rows if row["peer"] == "cenote" and row["within"]), None)
            others = sorted((row for row in rows if row["peer"] != "cenote"), key=lambda row: -float(row["per_second"]))
            best = next((place for place, row in enumerate(others) if row["within"]), None)
            if own is None or best is None:
                continue
            said = [f"{own / row['per_second']:.2f} x {row['title']}" for row in others[: best + 1]]
            measured = ", ".join([said[best], *(f"{words} (out of tolerance)" for words in said[:best])])
            ratio = own / others[best]["per_second"]
            yield Target.ratio(f"{work}, {setting}", "faster than every other library", measured, ratio)


def _shares(sections: Mapping[str, _Section]) -> Iterator[Target]:
    for name, setting, least in _SHARES:
        for row in sections.get(name, {}).get("rows", ()):
            if (row["peer"], row["setting"]) == ("cenote", setting) and "share" in row:
                share = row["share"]
                wanted = f"{least:.0%} of the matmul rate"
                yield Target.ratio(f"{_WORKS[name]}, {setting}", wanted, f"{share:.0%}", share / least)


def _embedding(section: _Section, sections: Mapping[str, Any]) -> Iterator[Target]:
    """Yield the least cosines, and the times of one short text."""
    least = _least_cosines(section, sections)
    for setting in ("bfloat16", "int8"):
        value = least.get(("cenote", setting), 0.0)
        wanted = f"least cosine {COSINES[setting]:g}"
        yield Target(f"embedding, {setting}", wanted, f"{value:.5f}", value >= COSINES[setting])
    if (_OV, "int8") in least:
        own, other = least["cenote", "int8"], least[_OV, "int8"]
        yield Target("embedding, int8", "a better cosine than OpenVINO's", f"{own:.5f} / {other:.5f}", own > other)
    times = {(row["peer"], row["setting"]): row["milliseconds"] for row in section.get("query", ())}
    titles = {row["peer"]: row["title"] for row in section.get("query", ())}
    for setting, products in at_most(section.get("query_products", {}), section.get("query", ())).items():
        own, most = times["cenote", setting], _TIMES * products + _BESIDE
        work = f"one short text in process, {setting}"
        wanted = f"at most {_TIMES} x its products + {_BESIDE:g} ms: {most:.2f} ms"
        yield Target.ratio(work, wanted, f"{own:.2f} ms", most / own)
        others = {peer: value for (peer, kind), value in times.items() if kind == setting and peer != "cenote"}
        if others:
            best = min(others, key=lambda peer: others[peer])
            measured = f"{own:.2f} ms, {titles[best]} {others[best]:.2f} ms"
            yield Target.ratio(work, "faster than every other library", measured, others[best] / own)


def _least_cosines(section: _Section, sections: Mapping[str, Any]) -> dict[tuple[str, str], float]:
    """Return the least cosines of the model with real weights: of the section on quality, which has more texts."""
    models = sections.get("quality", {}).get("models", ())
    rows = next((each["rows"] for each in models if each["model"] == section["model"]), section["rows"])
    return {(row["peer"], row["setting"]): row["cosine_min"] for row in rows}


def _server(section: _Section, sections: Mapping[str, Any]) -> Iterator[Target]:
    rows = {(row["peer"], row["setting"], row["connections"]): row for row in section["rows"]}
    for (peer, setting, connections), row in rows.items():
        if peer != "cenote":
            continue
        for other, times in _SERVERS:
            if (other, setting, connections) in rows:
                theirs = rows[other, setting, connections]
                ratio = row["requests_per_second"] / theirs["requests_per_second"]
                wanted = f"at least {times:g} x {theirs['title']}"
                work = f"server, {setting}, {connections} at a time"
                yield Target.ratio(work, wanted, f"{ratio:.2f} x", ratio / times, _SERVER_NOISE)
    first = {row["peer"]: row["first_answer"] for row in section["rows"] if row["setting"] == "float32"}
    own = first.pop("cenote", None)
    if own is not None and first:
        best = min(first, key=lambda peer: first[peer])
        measured = f"{own:.1f} s, {_title(section, best)} {first[best]:.1f} s"
        yield Target.ratio("server, first answer", "faster than every other server", measured, first[best] / own)
    alone = {
        row["setting"]: row["milliseconds"]
        for row in sections.get("embed", {}).get("query", ())
        if row["peer"] == "cenote"
    }
    for setting, milliseconds in alone.items():
        if ("cenote", setting, 1) in rows:
            p50, most = rows["cenote", setting, 1]["p50"], milliseconds + _SERVER
            wanted = f"p50 at most in process + {_SERVER} ms: {most:.1f} ms"
            yield Target.ratio(f"server, {setting}, 1 at a time", wanted, f"{p50:.1f} ms", most / p50, _SERVER_NOISE)
    for row in section.get("bulk", ()):
        quiet = [row["quiet_p99"]]  # measured twice, and the less counts: a busy moment must not make it easier
        quiet += [each["p99"] for key, each in rows.items() if key == (row["peer"], row["setting"], 1)]
        most = min(quiet) + _STEPS * _STEP
        wanted = f"p99 at most quiet + {_STEPS} steps of {_STEP} ms: {most:.0f} ms"
        p99 = row["p99"]
        work = f"server, {row['setting']}, beside a bulk job"
        yield Target.ratio(work, wanted, f"{p99:.0f} ms", most / p99, _SERVER_NOISE)


def _start(section: _Section, _: Mapping[str, Any]) -> Iterator[Target]:
    seconds = {row["peer"]: row["first_answer"] for row in section["rows"] if row["peer"] not in _WITHOUT_TORCH}
    own = seconds.pop("cenote")
    if seconds:
        best = min(seconds, key=lambda peer: seconds[peer])
        measured = f"{own:.1f} s, {_title(section, best)} {seconds[best]:.1f} s"
        yield Target.ratio("first answer", "faster than every library on torch", measured, seconds[best] / own)
    yield Target.ratio("first answer", f"at most {_FIRST_ANSWER:g} s", f"{own:.1f} s", _FIRST_ANSWER / own)
    taken = section["help_seconds"]
    yield Target.ratio("`cenote --help`", f"at most {_HELP:g} s", f"{taken:.2f} s", _HELP / taken)
    peak = next(row["peak_memory"] for row in section["rows"] if row["peer"] == "cenote")
    most = section["bare_memory"] + section["weights"] + _ROOM
    wanted = f"at most torch and the model's class + weights + {_ROOM / 1e6:.0f} MB: {most / 1e6:,.0f} MB"
    yield Target("peak of memory", wanted, f"{peak / 1e6:,.0f} MB", peak <= most)


def _scaling(section: _Section, _: Mapping[str, Any]) -> Iterator[Target]:
    first, last = section["length"][0]["at"], section["length"][-1]["at"]
    for name in (name for name in section["length"][0]["tokens_per_second"] if name.startswith("cenote")):
        rates = [row["operations_per_token"] * row["tokens_per_second"][name] for row in section["length"]]
        kept = min(rates) / max(rates)
        wanted = f"operations/s within {_EVEN:.0%} from {first} to {last} tokens a text"
        work = name.replace("cenote, ", "embedding, ")
        yield Target.ratio(work, wanted, f"within {1 - kept:.0%}", kept / (1 - _EVEN))
    if cut := section.get("cut"):
        for name in (name for name in cut[0]["seconds_per_text"] if name.startswith("cenote")):
            times = cut[-1]["seconds_per_text"][name] / cut[0]["seconds_per_text"][name]
            wanted = f"{cut[-1]['at']:,} characters take at most {_EVEN:.0%} longer than {cut[0]['at']:,}, cut alike"
            work = name.replace("cenote, ", "embedding, ")
            yield Target.ratio(work, wanted, f"{times - 1:+.0%}", (1 + _EVEN) / times)
    few, many = section["count"][0], section["count"][-1]
    grown = (many["peak_memory"] - few["peak_memory"]) - (many["result_memory"] - few["result_memory"])
    wanted = f"beside the results, memory grows by at most {_GROWTH:.0%} from {few['at']:,} to {many['at']:,} texts"
    share = grown / few["peak_memory"]
    yield Target("memory over the number of texts", wanted, f"{share:+.0%}", share <= _GROWTH)


def _speeds(section: _Section | None) -> dict[tuple[str, str], float]:
    return {(row["peer"], row["setting"]): row["per_second"] for row in (section or {}).get("rows", ())}


def _title(section: _Section, peer: str) -> str:
    return str(next(row["title"] for row in section["rows"] if row["peer"] == peer))
