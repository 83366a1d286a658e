"""What a request may ask of a task and a model."""

from __future__ import annotations

import pytest

from cenote.errors import InvalidRequest, UnsupportedTask
from cenote.tasks import check_params, default_task, get_task
from cenote.types import ModelLimits, PoolingParams

SUPPORTED = ("embed", "token_embed")
PLAIN = ModelLimits(max_tokens=8, embedding_size=4, hidden_size=4, max_token_id=10)
MATRYOSHKA = ModelLimits(
    max_tokens=8, embedding_size=4, hidden_size=4, max_token_id=10, is_matryoshka=True, matryoshka_dimensions=(2, 4)
)
ANY_SIZE = ModelLimits(max_tokens=8, embedding_size=4, hidden_size=4, max_token_id=10, is_matryoshka=True)


def test_the_default_task_is_embed_and_can_be_chosen() -> None:
    assert default_task(SUPPORTED) == "embed"
    assert default_task(SUPPORTED, "token_embed") == "token_embed"


def test_an_unsupported_task_names_what_is_possible() -> None:
    with pytest.raises(UnsupportedTask, match=r"cannot do task 'classify'.*embed, token_embed"):
        get_task("classify", SUPPORTED)


def test_no_task_lists_the_alternatives() -> None:
    with pytest.raises(UnsupportedTask, match=r"No task was named.*embed, token_embed"):
        get_task(None, SUPPORTED)


def test_a_removed_task_names_its_successor() -> None:
    with pytest.raises(UnsupportedTask, match=r"removed; use token_embed"):
        get_task("encode", SUPPORTED)


def test_dimensions_on_a_plain_model_give_the_contract_message() -> None:
    with pytest.raises(InvalidRequest) as caught:
        check_params(get_task("embed", SUPPORTED), PoolingParams(dimensions=2), PLAIN, "my-model")
    assert str(caught.value) == (
        'Model "my-model" does not support matryoshka representation, '
        "changing output dimensions will lead to poor results."
    )
    assert caught.value.param == "dimensions"


@pytest.mark.parametrize(("limits", "size"), [(MATRYOSHKA, 3), (ANY_SIZE, 0), (ANY_SIZE, 5), (ANY_SIZE, -1)])
def test_sizes_that_the_model_does_not_offer_are_refused(limits: ModelLimits, size: int) -> None:
    with pytest.raises(InvalidRequest, match=r"dimensions must be"):
        check_params(get_task("embed", SUPPORTED), PoolingParams(dimensions=size), limits, "m")


@pytest.mark.parametrize(("limits", "size"), [(MATRYOSHKA, 2), (MATRYOSHKA, 4), (ANY_SIZE, 3)])
def test_offered_sizes_pass(limits: ModelLimits, size: int) -> None:
    check_params(get_task("embed", SUPPORTED), PoolingParams(dimensions=size), limits, "m")


def test_parameters_for_another_task_are_refused() -> None:
    with pytest.raises(InvalidRequest, match=r"for task 'token_embed'"):
        check_params(get_task("embed", SUPPORTED), PoolingParams(task="token_embed"), PLAIN, "m")


def test_two_prompts_contradict() -> None:
    with pytest.raises(InvalidRequest, match=r"not both"):
        check_params(get_task("embed", SUPPORTED), PoolingParams(prompt="a", prompt_name="b"), PLAIN, "m")
