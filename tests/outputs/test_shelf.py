"""Numbers that are put aside come back as they were."""

from __future__ import annotations

import pytest
import torch

from cenote.outputs import PoolingOutput
from cenote.outputs.results import OneResult
from cenote.outputs.shelf import Shelf


def _output(data: torch.Tensor) -> PoolingOutput:
    return PoolingOutput(data, OneResult("embed", data))


def test_results_of_any_shape_come_back_to_the_bit_in_memory_of_their_own() -> None:
    rows = [torch.randn(*shape) for shape in ((5,), (3, 4), (1,)) * 300]
    rows += [torch.randn(4, 6).T, torch.tensor([-0.0, 1e-42])]
    outputs, shelf = [_output(row) for row in rows], Shelf()
    for output in outputs:
        shelf.take(output)
    assert all(output.data.numel() == 0 for output in outputs)
    shelf.give_back()
    for output, row in zip(outputs, rows, strict=True):
        assert output.data.shape == row.shape
        assert output.data.contiguous().view(torch.int32).equal(row.contiguous().view(torch.int32))
        assert output.by_task["embed"] is output.data
        assert output.data.untyped_storage().nbytes() == row.nbytes


@pytest.mark.parametrize(
    "data",
    [torch.empty(0), torch.zeros(3, dtype=torch.int64), torch.eye(3)[0].to_sparse(), torch.zeros(1 << 17)],
    ids=["empty", "integers", "sparse", "large"],
)
def test_other_results_stay_as_they_are(data: torch.Tensor) -> None:
    output, shelf = _output(data), Shelf()
    shelf.take(output)
    assert output.data is data
    shelf.give_back()
    assert output.data is data


def test_results_of_several_tasks_stay_as_they_are() -> None:
    row, shelf = torch.ones(2), Shelf()
    output = PoolingOutput(row, {"embed": row, "token_embed": torch.ones(3, 2)})
    shelf.take(output)
    assert output.data is row


def test_one_result_is_a_mapping_like_a_dict_of_it() -> None:
    row = torch.ones(2)
    found = OneResult("embed", row)
    assert dict(found) == {"embed": row}
    assert found.get("other") is None
    assert (list(found), len(found), repr(found)) == (["embed"], 1, repr({"embed": row}))
    with pytest.raises(KeyError, match="other"):
        found["other"]
