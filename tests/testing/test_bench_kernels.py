"""`cenote bench kernels`: every operator and backend on tiny inputs; times are not judged."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
import torch
from typer.testing import CliRunner

from cenote.cli.bench import app
from cenote.errors import InvalidRequest, MissingDependency
from cenote.kernels import OPERATORS
from cenote.kernels.l2_normalize import reference as plain
from cenote.registry import default_registry
from cenote.testing.bench.kernels import compare_kernels
from cenote.testing.bench.kernels.ceilings import Ceilings, measure_ceilings


def test_every_backend_is_compared_and_the_others_say_why_they_are_not() -> None:
    report = compare_kernels(tokens=5, rounds=1)
    ran = {f"{row.work.operator}:{row.backend}" for row in report.rows}
    passed = {f"{one.operator}:{one.backend}": one.reason for one in report.passed_over}
    assert ran | passed.keys() == set(default_registry().names("cenote.kernels"))
    assert {f"{operator}:reference" for operator in OPERATORS} <= ran
    assert passed["rotary:triton"] == "is not offered for cpu"
    assert {row.work.dtype for row in report.rows} == {"float32", "bfloat16", "int8"}
    assert all(row.difference <= 2e-2 and row.seconds > 0 for row in report.rows)
    assert report.faults() == []
    assert all(f"{operator}:{backend}" in ran for operator, backend in report.first.items())


def test_a_backend_that_raises_is_passed_over_with_its_reason() -> None:
    def acme(rows: torch.Tensor) -> torch.Tensor:
        raise MissingDependency("These kernels need another processor.")

    acme.devices = ("cpu",)  # type: ignore[attr-defined]
    undo = default_registry().register("cenote.kernels", "l2_normalize:acme", acme, distribution="acme", version="1")
    try:
        report = compare_kernels(["l2_normalize"], tokens=3, rounds=1, dtypes=["float16"])
    finally:
        undo()
    found = {one.backend: one.reason for one in report.passed_over}
    assert found["acme"] == "MissingDependency: These kernels need another processor."


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        (
            lambda rows: plain.l2_normalize(rows) * 1.01,
            " is wrong on 128 components in float32: result[0]: differs by ",
        ),
        (
            lambda rows: rows * float("nan"),
            " is wrong on 128 components in float32: result[0]: 896 of 896 values are not",
        ),
        (
            lambda rows: plain.l2_normalize(rows)[1:],
            " is wrong: WrongResult: The kernel 'l2_normalize:acme' of acme 1 returned",
        ),
    ],
)
def test_a_backend_that_is_wrong_ends_the_command_with_a_line_and_a_status(
    wrong: Callable[..., Any], text: str
) -> None:
    def acme(rows: torch.Tensor) -> Any:
        return wrong(rows)

    acme.devices = ("cpu",)  # type: ignore[attr-defined]
    undo = default_registry().register("cenote.kernels", "l2_normalize:acme", acme, distribution="acme", version="1")
    try:
        options = ["kernels", "l2_normalize", "--tokens", "7", "--rounds", "1", "--dtype", "float32", "--json"]
        done = CliRunner().invoke(app, options)
    finally:
        undo()
    assert done.exit_code == 1
    assert [line.startswith(f"l2_normalize:acme{text}") for line in done.stderr.splitlines()] == [True]
    assert len(json.loads(done.stdout)["wrong"]) == 1


def test_products_of_backends_count_for_ceilings_of_int8_as_well() -> None:
    sleeping = measure_ceilings("cpu", ["int8"], copied=4096, side=64)
    asked: list[Any] = []

    def acme(weight: torch.Tensor, bias: torch.Tensor | None, **options: Any) -> Any:
        asked.append(options["quantization"])
        result = torch.zeros(64, 64)
        return lambda rows: result

    acme.devices = ("cpu",)  # type: ignore[attr-defined]
    undo = default_registry().register("cenote.kernels", "linear:acme", acme, distribution="acme", version="1")
    try:
        quick = measure_ceilings("cpu", ["int8"], copied=4096, side=64)
    finally:
        undo()
    assert asked == ["int8"]
    assert quick.products["int8"] > sleeping.products["int8"]


def test_one_operator_is_printed_as_json_and_as_a_table() -> None:
    options = ["kernels", "segment_pool", "--tokens", "7", "--rounds", "1", "--dtype", "float32"]
    run = CliRunner()
    content = json.loads(run.invoke(app, [*options, "--json"]).stdout)
    assert {row["operator"] for row in content["kernels"]} == {"segment_pool"}
    assert content["memory_bytes_per_second"] > 0
    assert (content["copied_bytes"], content["product_side"]) == (2**28, 2048)  # whatever the tokens
    assert content["wrong"] == []
    assert content["taken_by_the_engine"]["segment_pool"] in {row["backend"] for row in content["kernels"]}
    table = run.invoke(app, options).stdout
    assert "| segment_pool | MiniLM" in table
    assert "segment_pool:triton of cenote" in table


def test_unknown_operators_dtypes_and_devices_are_refused() -> None:
    with pytest.raises(InvalidRequest, match="Unknown operators: nope"):
        compare_kernels(["nope"])
    with pytest.raises(InvalidRequest, match="Unknown dtypes: int4"):
        compare_kernels(dtypes=["int4"])
    with pytest.raises(InvalidRequest, match="no device 'cuda:99' here"):
        compare_kernels(device="cuda:99")


def test_a_ceiling_is_set_by_memory_or_by_products() -> None:
    ceilings = Ceilings(memory=100.0, products={"float32": 50.0})
    assert ceilings.least_seconds(0, 200, "float32") == (2.0, "memory")
    assert ceilings.least_seconds(500, 200, "float32") == (10.0, "products")
    assert ceilings.least_seconds(500, 200, "float64") == (2.0, "memory")
