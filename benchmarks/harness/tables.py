"""One table per section of a run."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from cenote.testing.bench import table
from harness.rates import at_most

__all__ = ["OTHERS", "SPREAD", "TABLES"]

#: Spread of passes, and share of the processors that other processes took, above which a row is marked as doubtful.
SPREAD, OTHERS = 0.25, 0.1

_Section = Mapping[str, Any]


def _contest(unit: str) -> Callable[[_Section], str]:
    """Return what lays a contest out: the speed, how much faster cenote is in the same setting, and the agreement."""

    def laid_out(section: _Section) -> str:
        rows = section["rows"]
        own = {row["setting"]: row["per_second"] for row in rows if row["peer"] == "cenote"}
        header = ["library", "setting", "batch", unit, "spread", "cenote is faster by", "limit", "agreement"]
        body = [
            [
                row["title"],
                row["setting"],
                str(row["batch"] or "own"),
                f"{row['per_second']:,.1f}",
                _noise(row),
                "" if row["peer"] == "cenote" else _ratio(own.get(row["setting"]), row["per_second"]),
                f"{row['share']:.0%}" if "share" in row else "",
                _agreement(row),
            ]
            for row in rows
        ]
        return f"{_described(section)}\n\n{table(header, body, 'llrrrrrr')}{_queries(section)}"

    return laid_out


def _described(section: _Section) -> str:
    rates = section.get("rates") or {}
    limits = ", ".join(f"{name} {rate / 1e9:,.0f}" for name, rate in rates.items())
    tokens = f"{section['inputs']:,} inputs, {section['tokens']:,} tokens"
    shown = f" Matmul rate, GFLOP/s: {limits}." if limits else ""
    reference = f" Compared with {section['reference']} in float32." if "reference" in section else ""
    others = max((row.get("others", 0.0) for row in section["rows"]), default=0.0)
    quiet = f" Other processes took at most {others:.0%} of the processors during any round." if others else ""
    rounds = f" {section['rounds']} rounds." if "rounds" in section else ""
    return f"{section['model']}: {tokens}.{rounds}{shown}{reference}{quiet}"


def _queries(section: _Section) -> str:
    if not section.get("query"):
        return ""
    rows = [[row["title"], row["setting"], f"{row['milliseconds']:.2f}", _noise(row)] for row in section["query"]]
    laid_out = table(["library", "setting", "ms", "spread"], rows, "llrr")
    least = at_most(section["query_products"], section["query"])
    products = ", ".join(f"{name} {value:.2f}" for name, value in least.items())
    return (
        f"\n\nOne short text a call ({section['query_tokens']} tokens), in process, median. The model's products "
        "alone, each shape as fast as the machine was seen to do it on so many rows, and all of them no slower than "
        f"the fastest whole text, take {products} ms.\n\n{laid_out}"
    )


def _noise(row: _Section) -> str:
    """Return the spread, with a mark where it or the load of other processes makes the row doubtful."""
    doubtful = row.get("spread", 0.0) > SPREAD or row.get("others", 0.0) > OTHERS
    return f"{row.get('spread', 0.0):.0%}{' !' if doubtful else ''}" if doubtful or row.get("spread") else ""


def _start(section: _Section) -> str:
    own = next(row["first_answer"] for row in section["rows"] if row["peer"] == "cenote")
    body = [
        [
            row["title"],
            row["setting"],
            f"{row['first_answer']:.1f}",
            "" if row["peer"] == "cenote" else _ratio(row["first_answer"], own),
            f"{row['peak_memory'] / 1e6:,.0f}",
        ]
        for row in section["rows"]
    ]
    header = [
        "library",
        "setting",
        "first answer, s",
        "cenote is faster by",
        f"peak after {section['inputs']} texts, MB",
    ]
    starts = max(len(row["seconds"]) for row in section["rows"])
    return (
        "A fresh process, from its start to the vector of one text, bytecode compiled, files in the system's cache and "
        f"cenote's list of transformers' models in the user's, in the median of {starts} starts (one where a start "
        "takes longer than 15 s); then its peak of "
        "resident memory after texts of mixed length. Importing torch and the model's class alone "
        f"takes {section['bare_memory'] / 1e6:,.0f} MB, the weights {section['weights'] / 1e6:,.0f} MB. "
        f"`cenote --help` takes {section['help_seconds']:.2f} s.\n\n{table(header, body, 'llrrr')}"
    )


def _serve(section: _Section) -> str:
    if "skipped" in section:
        return f"Not measured: {section['skipped']}."
    rows = section["rows"]
    own = {(row["setting"], row["connections"]): row["requests_per_second"] for row in rows if row["peer"] == "cenote"}
    body = [
        [
            str(row["connections"]),
            row["title"],
            row["setting"] + ("" if row["within"] else " *"),
            f"{row['requests_per_second']:,.0f}",
            _noise(row),
            ""
            if row["peer"] == "cenote"
            else _ratio(own.get((row["setting"], row["connections"])), row["requests_per_second"]),
            f"{row['p50']:,.1f}",
            f"{row['p99']:,.1f}",
            f"{row['client_cpu']:.0%}",
            f"{row['first_answer']:.1f}",
        ]
        for row in rows
    ]
    header = ["connections", "server", "setting", "requests/s", "spread", "cenote is faster by", "p50, ms", "p99, ms"]
    laid_out = table([*header, "CPU of wrk", "first answer, s"], body, "rllrrrrrrr")
    text = (
        f"Requests of one short text over loopback from wrk, {section['rounds']} rounds of {section['seconds']} s in "
        f"turns; the mean of rounds, and how far apart they were. wrk adds to times what it could not send while "
        f"an answer was slow.\n\n{laid_out}"
    )
    return f"{text}\n\n{_beside(section['bulk'])}" if section.get("bulk") else text


def _beside(rows: Sequence[_Section]) -> str:
    names = ("quiet_p50", "quiet_p99", "p50", "p99")
    body = [
        [
            row["setting"],
            *(f"{row[name]:,.1f}" for name in names),
            f"{row['requests']:,.0f}" if "requests" in row else "",
        ]
        for row in rows
    ]
    header = ["setting", "quiet p50, ms", "quiet p99", "p50 beside the job", "p99 beside the job"]
    laid_out = table([*header, "requests beside the job"], body, "lrrrrr")
    turns = f", {rows[0]['rounds']} rounds of {rows[0]['seconds']} s" if "rounds" in rows[0] else ""
    said = f"One short text at a time beside a client that sends calls of many texts without a pause, cenote{turns}"
    counted = "; times of answers as they came, in the quiet those of the best round" if "client" in rows[0] else ""
    return f"{said}{counted}:\n\n{laid_out}"


def _scaling(section: _Section) -> str:
    parts = []
    for key, title in (("length", "tokens a text"), ("together", "texts of 64 tokens a call")):
        names = list(section[key][0]["tokens_per_second"])
        body = [
            [f"{row['at']:,}", *(f"{row['tokens_per_second'][name]:,.0f}" for name in names)] for row in section[key]
        ]
        calls = "each point the median of the calls of one turn, without further rounds"
        parts.append(f"Tokens a second, {calls}:\n\n{table([title, *names], body, 'r' * (len(names) + 1))}")
    if cut := section.get("cut"):
        names = list(cut[0]["seconds_per_text"])
        body = [[f"{row['at']:,}", *(f"{row['seconds_per_text'][name] * 1e3:,.1f}" for name in names)] for row in cut]
        laid_out = table(["characters a text", *names], body, "r" * (len(names) + 1))
        parts.append(f"Milliseconds a text, of which 512 tokens are kept:\n\n{laid_out}")
    least = min(row["cosine_min"] for row in section["length"])
    parts.insert(1, f"The least cosine of any vector of that table to cenote's in float32 is {least:.5f}.")
    body = [
        [
            f"{row['at']:,}",
            f"{row['texts_per_second']:,.0f}",
            f"{row['peak_memory'] / 1e6:,.0f}",
            f"{row['result_memory'] / 1e6:,.0f}",
        ]
        for row in section["count"]
    ]
    laid_out = table(
        ["short texts in one call", "texts/s", "peak of memory, MB", "the vectors alone, MB"], body, "rrrr"
    )
    return "\n\n".join([*parts, f"cenote in bfloat16, one process:\n\n{laid_out}"])


def _quality(section: _Section) -> str:
    top = section["top"]
    parts = [
        "How far results of one model with real weights, all-MiniLM-L6-v2, and of three with random ones move from "
        "float32, both sides of a comparison in the setting's precision. Queries are first "
        f"lines of docstrings, documents whole ones. nDCG@{top} takes the float32 ranking as the truth (its first "
        f"document is worth {top}, the next one less); overlap@{top} is the share of the first {top} that both have. "
        "Random weights show what arithmetic does to values of that shape, and say nothing of a trained model's "
        "rankings; one model says little of others."
    ]
    return "\n\n".join([*parts, *(_quality_of(model, top) for model in section["models"])])


def _quality_of(model: _Section, top: int) -> str:
    ranked, vectors = bool(model["queries"]), "cosine_min" in model["rows"][0]
    body = [
        [
            row["title"],
            row["setting"],
            *((f"{row['cosine_min']:.5f}", f"{row['cosine_mean']:.5f}") if vectors else (f"{row['difference']:.1e}",)),
            *((f"{row['ndcg']:.4f}", f"{row['overlap']:.1%}") if ranked else ()),
        ]
        for row in model["rows"]
    ]
    far = ("cosine, least", "mean") if vectors else ("largest difference / largest score",)
    header = ["library", "setting", *far, *((f"nDCG@{top}", f"overlap@{top}") if ranked else ())]
    what = {"embed": "vectors of texts", "encode": "vectors of tokens", "rerank": "scores of pairs"}[model["work"]]
    size = (
        f"{model['queries']} queries over {model['documents']:,} documents" if ranked else f"{model['documents']} texts"
    )
    return f"{model['model']}, {what}, {size}:\n\n{table(header, body, 'll' + 'r' * (len(header) - 2))}"


def _ratio(upper: float | None, lower: float) -> str:
    return "" if upper is None else f"{upper / lower:.2f} x"


def _agreement(row: _Section) -> str:
    mark = "" if row["within"] else " *"
    if "cosine_min" in row:
        return f"{row['cosine_min']:.5f}{mark}"
    return f"{row['difference']:.0e}{mark}"


#: Title and table of each section.
TABLES: Mapping[str, tuple[str, Callable[[_Section], str]]] = {
    "embed": ("Embedding, offline", _contest("texts/s")),
    "embed_base": ("Embedding with a larger model", _contest("texts/s")),
    "rerank": ("Reranking by a cross-encoder", _contest("pairs/s")),
    "encode": ("Vectors per token (ColBERT)", _contest("texts/s")),
    "maxsim": ("MaxSim, one query against many documents", _contest("documents/s")),
    "start": ("Cold start and memory", _start),
    "serve": ("Servers under load", _serve),
    "scaling": ("Scaling", _scaling),
    "quality": ("Quality of reduced precision", _quality),
}
