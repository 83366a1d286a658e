"""What only a GPU can tell, in one run: are its kernels right, how fast are they, and how fast are whole models?

    python benchmarks/gpu.py [--model FOLDER_OR_ID ...] [--tokens 16384] [--texts 1000] [--json FILE]

1. Every case of the conformance kit, in every dtype, contiguous and as parts of wider tensors, against the reference.
2. Every backend of every operator, and attention of padded batches through torch, beside what a copy and square matrix
   products reach here: `cpu` is torch's own operators, run on the GPU, and `reference` plain float32 torch.
3. Models, embedding the same real texts in float32 and bfloat16: cenote, sentence-transformers, padded transformers.

It ends with 1 where a kernel differs, and with 2 where there is no GPU or an option is refused. With `--device cpu` it
runs on the processor, with the backend that the engine takes there, which shows that the program works, and nothing
about a GPU.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from harness.options import ROUNDS, docstring_count, whole
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from cenote.errors import CenoteError, InvalidRequest
from cenote.kernels import OPERATORS, check_forced_kernels, get_kernel
from cenote.registry import default_registry
from cenote.testing.bench import compare_embedding, machine, table
from cenote.testing.bench.device import check_device
from cenote.testing.bench.kernels import compare_kernels
from cenote.testing.bench.kernels.room import check_tokens
from cenote.testing.corpus import docstrings
from cenote.testing.kernel_cases import CASES, KernelCase
from cenote.testing.kernels import TOLERANCES, compare_results, one_step

NO_GPU = REFUSED = 2
#: Largest difference of a component of vectors of length one, from cenote's.
MODELS = {"float32": 1e-4, "bfloat16": 3e-2}


@dataclass(frozen=True)
class Check:
    """How an operator's kernel did in the cases of the kit.

    Attributes:
        operator: which.
        passed: cases and dtypes that equal the reference.
        failures: of the others, what differs.
    """

    operator: str
    passed: int
    failures: list[str]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run all parts and print them; return the exit status."""
    options = parse(arguments)
    if is_missing_gpu(options.device):
        print(f"No GPU: torch {torch.__version__} sees no device {options.device!r}. Nothing was measured.")
        return NO_GPU
    try:
        check_forced_kernels()
        check_tokens(options.tokens, OPERATORS, options.device)
    except CenoteError as exc:
        print(f"Error: {exc}", file=sys.stderr)
        return REFUSED
    print(", ".join(f"{name} {value}" for name, value in facts(options.device).items()), flush=True)
    checks = [check(operator, options.device, options.most_tokens) for operator in OPERATORS]
    print(f"\n{laid_out(checks)}\n", flush=True)
    report = kernels(options.device, options.tokens, options.rounds)
    print(f"{report.as_text()}\n", flush=True)
    runs = [run for model in options.model or [None] for run in models(model, options)]
    if options.json:
        content = {
            "machine": facts(options.device),
            "checks": [vars(each) for each in checks],
            "kernels": report.as_json(),
            "models": runs,
        }
        options.json.write_text(json.dumps(content, indent=2) + "\n")
    return 1 if any(each.failures for each in checks) else 0


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", type=device, default="cuda")
    parser.add_argument("--model", action="append", help="may be repeated; the demonstration model if left out")
    parser.add_argument("--tokens", type=whole(), default=16384, help="rows of the inputs of kernels")
    parser.add_argument("--most-tokens", type=whole(), default=1 << 20, help="leave out larger cases of the check")
    parser.add_argument("--texts", type=docstring_count(), default=1000)
    parser.add_argument("--max-tokens", type=whole(3), default=256, help="longer texts are cut")
    parser.add_argument("--rounds", type=whole(1, ROUNDS), default=5)
    parser.add_argument("--json", type=Path, help="write all figures there")
    return parser.parse_args(arguments)


def device(text: str) -> str:
    """Accept a device that computes here, or a GPU that is missing: `main` tells of that."""
    try:
        if not is_missing_gpu(text):
            check_device(text)
    except InvalidRequest as exc:
        raise argparse.ArgumentTypeError(str(exc)) from None
    return text


def is_missing_gpu(device: str) -> bool:
    """Tell whether a device is one of CUDA that torch does not see."""
    try:
        found = torch.device(device)
    except RuntimeError:  # no name of a device
        return False
    return found.type == "cuda" and (found.index or 0) >= torch.cuda.device_count()


def facts(device: str) -> dict[str, str | int]:
    """Describe the machine, and its GPU."""
    if not device.startswith("cuda"):
        return machine()
    properties = torch.cuda.get_device_properties(device)
    gpu = f"{properties.name}, {properties.total_memory >> 30} GiB, sm_{properties.major}{properties.minor}"
    return {**machine(), "gpu": gpu, "cuda": str(torch.version.cuda)}


def check(operator: str, device: str, most_tokens: int) -> Check:
    """Compare the kernel that the engine takes for a device with the reference there."""
    kernel = one_step(operator, get_kernel(operator, torch.device(device).type))
    expected = one_step(operator, default_registry().get("cenote.kernels", f"{operator}:reference"))
    passed, failures = 0, []
    for case in CASES[operator]:
        if sum(case.options.get("lengths", ())) > most_tokens or not runs_on(case, device):
            continue
        for dtype in [*TOLERANCES, *(["int8"] if operator == "maxsim" else [])]:
            for as_views in (False, True):
                # A product's own rounding is that of its library, in the dtype, at every size.
                tolerance = max(case.tolerance, TOLERANCES.get(dtype, 1e-6) * (2 if operator == "linear" else 1))
                inputs = case.inputs(getattr(torch, dtype), device, as_views=as_views)
                try:
                    compare_results(kernel, expected, inputs, tolerance=tolerance)
                    passed += 1
                except (AssertionError, CenoteError, RuntimeError) as exc:
                    place = f"{case.name}, {dtype}{', as views' if as_views else ''}"
                    failures.append(f"{place}: {type(exc).__name__}: {str(exc).splitlines()[0]}")
    return Check(operator, passed, failures)


def runs_on(case: KernelCase, device: str) -> bool:
    """Tell whether a case is offered on a device: quantised products are on CPUs alone."""
    return device == "cpu" or "quantization" not in case.options


def laid_out(checks: Sequence[Check]) -> str:
    """Lay the checks out, and name all that differs."""
    rows = [[each.operator, str(each.passed), str(len(each.failures))] for each in checks]
    lines = [table(["operator", "equal the reference", "differ"], rows)]
    lines += [f"- {each.operator}, {failure}" for each in checks for failure in each.failures]
    return "\n".join(lines)


def kernels(device: str, tokens: int, rounds: int) -> Any:
    """Time all backends, and torch's attention over padded batches among them."""
    kind = torch.device(device).type
    undo = offer("varlen_attention:padded", padded_attention, kind)
    try:
        return compare_kernels(device=device, tokens=tokens, rounds=rounds)
    finally:
        undo()


def offer(name: str, kernel: Callable[..., Any], kind: str) -> Callable[[], None]:
    """Offer a backend behind all others; return what takes it back."""
    kernel.devices, kernel.priority = (kind,), -1  # type: ignore[attr-defined]
    return default_registry().register("cenote.kernels", name, kernel, distribution="benchmark")


def padded_attention(
    query: Tensor, key: Tensor, value: Tensor, *, lengths: Sequence[int], scale: float, causal: bool = False, **_: Any
) -> Tensor:
    """Attend as models do without packing: sequences filled up to the longest, a mask, one call of torch.

    Filling up and taking out again are part of the time.
    """
    query, key, value = (
        pad_sequence(list(rows.split(list(lengths))), batch_first=True).transpose(1, 2)  # type: ignore[no-untyped-call]
        for rows in (query, key, value)
    )
    places = torch.arange(query.shape[2], device=query.device)
    there = places < torch.tensor(lengths, device=query.device)[:, None]
    mask = there[:, None, None, :]
    if causal:
        mask = mask & (places[None, :] <= places[:, None])
    grouped = query.shape[1] != key.shape[1]
    mixed = F.scaled_dot_product_attention(query, key, value, attn_mask=mask, scale=scale, enable_gqa=grouped)
    return mixed.transpose(1, 2)[there]


def models(model: str | None, options: argparse.Namespace) -> list[dict[str, Any]]:
    """Embed with one model in each dtype, print it, and return the figures."""
    found = []
    for dtype, tolerance in MODELS.items():
        report = compare_embedding(
            docstrings(options.texts),
            model=model,
            rounds=options.rounds,
            max_tokens=options.max_tokens,
            tolerance=tolerance,
            device=options.device,
            dtype=dtype,
        )
        print(f"{report.as_text()}\n", flush=True)
        found.append(report.as_json())
    return found


if __name__ == "__main__":
    sys.exit(main())
