"""`cenote bench kernels`: every operator and backend on tiny inputs; times are not judged."""

from __future__ import annotations

import json

import pytest
import torch
from typer.testing import CliRunner

from cenote.cli.bench import app
from cenote.errors import InvalidRequest, MissingDependency
from cenote.kernels import OPERATORS
from cenote.registry import default_registry
from cenote.testing.bench.kernels import compare_kernels
from cenote.testing.bench.kernels.ceilings import Ceilings


def test_every_backend_is_compared_and_the_others_say_why_they_are_not() -> None:
    report = compare_kernels(tokens=5, rounds=1)
    ran = {f"{row.work.operator}:{row.backend}" for row in report.rows}
    passed = {f"{one.operator}:{one.backend}": one.reason for one in report.passed_over}
    assert ran | passed.keys() == set(default_registry().names("cenote.kernels"))
    assert {f"{operator}:reference" for operator in OPERATORS} <= ran
    assert passed["rotary:triton"] == "is not offered for cpu"
    assert {row.work.dtype for row in report.rows} == {"float32", "bfloat16", "int8"}
    assert all(row.difference <= 2e-2 and row.seconds > 0 for row in report.rows)
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


def test_one_operator_is_printed_as_json_and_as_a_table() -> None:
    options = ["kernels", "segment_pool", "--tokens", "7", "--rounds", "1", "--dtype", "float32"]
    run = CliRunner()
    content = json.loads(run.invoke(app, [*options, "--json"]).stdout)
    assert {row["operator"] for row in content["kernels"]} == {"segment_pool"}
    assert content["memory_bytes_per_second"] > 0
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
