"""Run the comparison of backends."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch

from cenote.errors import InvalidRequest, WrongResult
from cenote.kernels import OPERATORS, check_forced_kernels
from cenote.kernels.offers import Offer, kernel_offers, taken_offer
from cenote.testing.bench.device import check_device
from cenote.testing.bench.kernels.ceilings import FAILURES, measure_ceilings
from cenote.testing.bench.kernels.clock import take_turns
from cenote.testing.bench.kernels.report import KernelReport, KernelRow, PassedOver
from cenote.testing.bench.kernels.room import check_tokens
from cenote.testing.bench.kernels.work import PRODUCTS, Work, works
from cenote.testing.bench.report import machine
from cenote.testing.compare import assert_all_close, largest_difference

__all__ = ["compare_kernels"]

_DTYPES = ("float32", "float16", "bfloat16")
#: Largest difference from the reference of a right result, about four times that of the cases of conformance, which are
#: smaller; and of int8, where a value between two steps may go to either.
_TOLERANCES = {"float32": 5e-5, "float16": 1e-2, "bfloat16": 6e-2, "int8": 5e-2}


def compare_kernels(
    operators: Sequence[str] = (),
    *,
    device: str = "cpu",
    dtypes: Sequence[str] = (),
    tokens: int = 4096,
    rounds: int = 5,
) -> KernelReport:
    """Time every installed backend of operators over realistic shapes, and compare its results with the reference.

    Args:
        operators: some of `cenote.kernels.OPERATORS`; empty takes all.
        device: torch device string.
        dtypes: of the inputs; empty takes float32 and bfloat16, and on GPUs float16 as well.
        tokens: rows of the inputs, of sequences of 8 to 256 tokens.
        rounds: how often each backend runs; the median counts.

    Raises:
        InvalidRequest: an operator, dtype or device is unknown, nothing can be computed on the device, or its memory is
            too small for the tokens.
        UnknownPlugin: `CENOTE_KERNELS` names a backend that is not installed, or two for the same.
        PluginError: `CENOTE_KERNELS` names a backend that is broken.
    """
    chosen, kinds = list(operators) or list(OPERATORS), list(dtypes) or _usual(device)
    _check(chosen, kinds, device)
    check_tokens(tokens, chosen, device)
    with torch.inference_mode():
        ceilings = measure_ceilings(device, _multiplied(chosen, kinds, device))
        rows: list[KernelRow] = []
        passed: dict[tuple[str, str], PassedOver] = {}
        for operator in chosen:
            offers = kernel_offers(operator, torch.device(device).type)
            for work in (work for kind in kinds for work in works_of(operator, tokens, kind, device)):
                usable = list(_usable(work, offers, passed))
                taken = take_turns([call for _, call in usable], device, rounds)
                for (offer, call), seconds in zip(usable, taken, strict=True):
                    least = ceilings.least_seconds(work.operations, work.bytes_moved, work.dtype)
                    rows.append(KernelRow(work, offer.backend, seconds, *least, *_compared(work, call)))
        taken_ones = {operator: taken_offer(operator, torch.device(device).type) for operator in chosen}
        first = {operator: offer.backend for operator, offer in taken_ones.items() if offer}
    return KernelReport(device, tokens, rounds, ceilings, tuple(rows), tuple(passed.values()), first, machine())


def works_of(operator: str, tokens: int, dtype: str, device: str) -> Iterator[Work]:
    """Build the work of an operator in a dtype that is given by name."""
    return works(operator, tokens=tokens, dtype=getattr(torch, dtype), device=device)


def prepared(kernel: Callable[..., Any], work: Work) -> Callable[[], Any]:
    """Return a call of the work; a weight is laid out before, and not timed."""
    if work.operator != "linear":
        return lambda: kernel(**work.tensors, **work.options)
    given = {**work.tensors, **work.options}
    rows, activation = given.pop("rows"), given.pop("activation")
    product = kernel(**given)
    return lambda: product(rows, activation=activation)


def _usual(device: str) -> list[str]:
    return list(_DTYPES) if device.startswith("cuda") else ["float32", "bfloat16"]


def _multiplied(operators: Sequence[str], dtypes: Sequence[str], device: str) -> list[str]:
    """Return the dtypes in which work multiplies matrices."""
    if not PRODUCTS & {*operators}:
        return []
    return [*dtypes, "int8"] if "linear" in operators and device == "cpu" and "float32" in dtypes else [*dtypes]


def _check(operators: Sequence[str], dtypes: Sequence[str], device: str) -> None:
    unknown = [operator for operator in operators if operator not in OPERATORS]
    if unknown:
        raise InvalidRequest(f"Unknown operators: {', '.join(unknown)}. Known: {', '.join(OPERATORS)}.")
    wrong = [dtype for dtype in dtypes if dtype not in _DTYPES]
    if wrong:
        raise InvalidRequest(f"Unknown dtypes: {', '.join(wrong)}. Known: {', '.join(_DTYPES)}.")
    check_device(device)
    check_forced_kernels()


def _usable(
    work: Work, offers: Sequence[Offer], passed: dict[tuple[str, str], PassedOver]
) -> Iterator[tuple[Offer, Callable[[], Any]]]:
    """Give the backends that compute the work, and note why others do not."""
    for offer in offers:
        reason, is_wrong = offer.reason, False
        if offer.kernel is not None and not reason:
            try:
                call = prepared(offer.kernel, work)
                call()
            except FAILURES as exc:
                is_wrong = isinstance(exc, WrongResult)
                cause = exc.__cause__ or exc  # what a plugin raised is not in the error that names it
                reason = f"{type(cause).__name__}: {cause}".splitlines()[0]
            else:
                yield offer, call
        known = passed.get((work.operator, offer.backend))
        if reason and not (known and known.is_wrong):
            one = PassedOver(work.operator, offer.backend, offer.source, reason, is_wrong)
            passed[work.operator, offer.backend] = one


def _compared(work: Work, call: Callable[[], Any]) -> tuple[float, str]:
    """Return the largest difference from the reference, and what is wrong with the result, or nothing."""
    reference = next(offer for offer in kernel_offers(work.operator, "cpu") if offer.backend == "reference")
    assert reference.kernel is not None
    found, wanted = _parts(call()), _parts(prepared(reference.kernel, work)())
    try:
        assert_all_close(found, wanted, tolerance=_TOLERANCES[work.dtype])
    except AssertionError as exc:
        wrong = str(exc).splitlines()[0]
    else:
        wrong = ""
    shapes = [[part.shape for part in parts] for parts in (found, wanted)]
    pairs = zip(found, wanted, strict=True) if shapes[0] == shapes[1] else ()
    return max((largest_difference(*pair) for pair in pairs), default=float("nan")), wrong


def _parts(result: Any) -> tuple[Any, ...]:
    return result if isinstance(result, tuple) else (result,)
