"""Layers as one call equal the operators called one by one, and what is not known is left to these."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from ctypes import c_int32
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
import torch
from torch import Tensor

from cenote.errors import PluginFailure, ShapeError
from cenote.kernels import get_kernel
from cenote.kernels.bias_act import cpu as plain_activation
from cenote.kernels.interrupt import Interrupt
from cenote.kernels.layers import Angles, AttentionCall, Joined, Layer, NormStep
from cenote_cpu_kernels.activation import bias_act
from cenote_cpu_kernels.attention import varlen_attention
from cenote_cpu_kernels.layers import join_layers
from cenote_cpu_kernels.library import LEVELS, level, library
from cenote_cpu_kernels.linear import linear_at
from cenote_cpu_kernels.norm import residual_norm
from cenote_cpu_kernels.rotary import rotary

WIDTH, HEADS, SIZE, INNER = 192, 6, 32, 256
LENGTHS, KEYS = (5, 1, 40, 9), (5, 1, 37, 9)
#: Together more rows than are taken through a layer at once, and no multiple of them.
MANY = (301, 5, 290, 77)
#: Names of the levels that this machine has.
USABLE = LEVELS[LEVELS.index("avx2") : library().cenote_level() + 1]
PLAIN: Mapping[str, Any] = {}
MODERN = {"kv_heads": 2, "gated": True, "rotary": "local", "window": 8, "stream": "sum", "kind": "rms", "causal": True}
CAPPED = {"softcap": 20.0, "sinks": torch.linspace(-1, 1, HEADS), "activation": "silu", "rotary": ""}


@pytest.fixture(params=USABLE, autouse=True)
def at_level(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Let the kernels use no more than a level."""
    monkeypatch.setenv("CENOTE_CPU_KERNELS_LEVEL", request.param)
    level.cache_clear()
    yield request.param
    monkeypatch.undo()
    level.cache_clear()


def is_compiled(dtype: torch.dtype = torch.float32, quantization: str | None = None) -> bool:
    """Tell whether products are the package's at the level; nothing is joined where they are the core's."""
    lowest = "avx512_vnni" if quantization else "avx512_bf16" if dtype == torch.bfloat16 else "avx512"
    return level() >= LEVELS.index(lowest)


def numbers(*shape: int, seed: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def layer(dtype: torch.dtype, seed: int, quantization: Any = None, **changes: Any) -> Layer:
    """Return a layer of random weights."""
    asked = {"kv_heads": HEADS, "gated": False, "stream": "norm", "kind": "layer", **changes}
    joint, up = (HEADS + 2 * asked["kv_heads"]) * SIZE, INNER * (2 if asked["gated"] else 1)
    sizes = ((joint, WIDTH), (WIDTH, HEADS * SIZE), (up, WIDTH), (WIDTH, INNER))
    products = [
        linear_at(
            level(),
            (numbers(*shape, seed=seed + place) / shape[1] ** 0.5).to(dtype),
            numbers(shape[0], seed=place).to(dtype),
            quantization=quantization,
        )
        for place, shape in enumerate(sizes)
    ]
    step = NormStep(residual_norm, numbers(WIDTH, seed=seed), None, 1e-6, asked.pop("kind"), asked.pop("stream"), dtype)
    call = AttentionCall(HEADS, asked.pop("kv_heads"), SIZE, 0.2, causal=False, window=None, softcap=None, sinks=None)
    options = {name: asked.pop(name) for name in ("causal", "window", "softcap", "sinks") if name in asked}
    return Layer(
        (products[0], products[1], products[2], products[3]),
        (step, replace(step, bias=numbers(WIDTH, seed=9))),
        varlen_attention,
        rotary,
        bias_act,
        replace(call, **options),
        **{"activation": "gelu", "rotary": None, **asked},
    )


def one_by_one(
    layers: Sequence[Layer],
    normed: Tensor,
    stream: Tensor,
    angles: Mapping[str, Angles],
    lengths: Sequence[int] = LENGTHS,
    keys: Sequence[int] = KEYS,
) -> Tensor:
    """Run layers operator by operator."""
    for each in layers:
        qkv, out, up, down = each.products
        call = each.call
        heads = qkv(normed).view(len(normed), -1, SIZE)
        turned, value = heads.split_with_sizes((call.heads + call.kv_heads, call.kv_heads), 1)
        turned = turned if each.rotary is None else rotary(turned, *angles[each.rotary])
        query, key = turned.split_with_sizes((call.heads, call.kv_heads), 1)
        options = {name: getattr(call, name) for name in ("scale", "causal", "window", "softcap", "sinks")}
        mixed = varlen_attention(query, key, value, lengths=lengths, key_lengths=keys, **options)
        normed, stream = each.norms[0](out(mixed.flatten(1)), stream)
        if each.gated:
            wide = bias_act(up(normed), None, activation=each.activation, gated=True)
        else:
            wide = up(normed, activation=each.activation)
        normed, stream = each.norms[1](down(wide), stream)
    return normed, stream


def batch(dtype: torch.dtype, tokens: int = sum(LENGTHS)) -> tuple[Tensor, Tensor, dict[str, Angles]]:
    """Return what enters the first layer, and angles."""
    stream = numbers(tokens, WIDTH, seed=3)
    phases = numbers(tokens, SIZE, seed=4)
    angles = (phases.cos(), phases.sin())
    return stream.to(dtype), stream, {"": (angles[0][:, :16], angles[1][:, :16]), "local": angles}


def joined(layers: Sequence[Layer], dtype: torch.dtype = torch.float32, quantization: str | None = None) -> Joined:
    """Return layers as one function: the compiled one, and where there is none the operators."""
    found = join_layers(layers)
    assert (found is not None) == is_compiled(dtype, quantization)

    def operators(normed: Tensor, stream: Tensor, **options: Any) -> tuple[Tensor, Tensor, int]:
        first, interrupt = options.get("first", 0), options.get("interrupt")
        stops = interrupt is not None and interrupt.flag.value
        end = min(first + max(interrupt.least, 1), len(layers)) if stops else len(layers)
        given = options["angles"], options["lengths"], options["key_lengths"]
        return *one_by_one(layers[first:end], normed, stream, *given), end

    return found or operators


@contextmanager
def computing_with(threads: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("kinds", [(PLAIN, PLAIN), (MODERN, MODERN), (CAPPED, MODERN)], ids=["post", "pre", "mixed"])
def test_joined_layers_give_what_their_operators_give(kinds: Sequence[Mapping[str, Any]], dtype: torch.dtype) -> None:
    layers = [layer(dtype, 10 * place, **kind) for place, kind in enumerate(kinds)]
    normed, stream, angles = batch(dtype)
    kept = normed.clone(), stream.clone()

    found = joined(layers, dtype)(normed, stream, lengths=LENGTHS, key_lengths=KEYS, angles=angles)[1]

    assert found.dtype == torch.float32
    assert torch.equal(found, one_by_one(layers, normed, stream, angles)[1])
    assert torch.equal(normed, kept[0])
    assert torch.equal(stream, kept[1])


@pytest.mark.parametrize("lengths", [LENGTHS, MANY], ids=["few", "many"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("kinds", [(PLAIN,) * 3, (MODERN,) * 3, (PLAIN, MODERN, CAPPED)], ids=["post", "pre", "mixed"])
def test_layers_in_pieces_give_what_they_give_at_once(
    kinds: Sequence[Mapping[str, Any]], dtype: torch.dtype, lengths: tuple[int, ...]
) -> None:
    layers = [layer(dtype, 10 * place, **kind) for place, kind in enumerate(kinds)]
    normed, stream, angles = batch(dtype, sum(lengths))
    run = joined(layers, dtype)
    options = {"lengths": lengths, "key_lengths": lengths, "angles": angles}
    _, whole, end = run(normed, stream, **options)
    assert end == 3
    for borders in ((0, 1, 3), (0, 2, 3), (0, 1, 2, 3)):
        state = normed, stream
        for first, last in pairwise(borders):
            *state, end = run(*state, **options, first=first, interrupt=Interrupt(c_int32(1), last - first))
            assert end == last
            assert state[0].dtype == dtype
        assert torch.equal(state[1], whole)


@pytest.mark.parametrize(
    ("flag", "least", "expected"), [(0, 0, 3), (1, 0, 1), (1, 1, 1), (7, 2, 2), (1, 3, 3), (1, 9, 3)]
)
def test_layers_are_interrupted_where_the_flag_is_set_but_for_the_least(flag: int, least: int, expected: int) -> None:
    layers = [layer(torch.bfloat16, 10 * place, **MODERN) for place in range(3)]
    normed, stream, angles = batch(torch.bfloat16)
    run = joined(layers, torch.bfloat16)
    options = {"lengths": LENGTHS, "key_lengths": LENGTHS, "angles": angles}

    _, found, end = run(normed, stream, **options, interrupt=Interrupt(c_int32(flag), least))

    assert end == expected
    assert torch.equal(found, one_by_one(layers[:end], normed, stream, angles, LENGTHS, LENGTHS)[1])


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("kind", [PLAIN, MODERN], ids=["post", "pre"])
def test_a_flag_that_is_set_while_a_layer_ends_is_seen_before_the_next_one(
    kind: Mapping[str, Any], dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    layers = [layer(dtype, 10 * place, **kind) for place in range(3)]
    run = joined(layers, dtype)
    if not is_compiled(dtype):
        return  # `joined` has seen that nothing is
    normed, stream, angles = batch(dtype)
    given = {"lengths": LENGTHS, "key_lengths": LENGTHS, "angles": angles}
    whole = run(normed, stream, **given)[1]
    # The result is written from the first norm of a layer on, behind attention: a number in it is the flag.
    memory = [torch.zeros(len(normed), WIDTH), torch.zeros(len(normed), WIDTH, dtype=dtype)]
    flag, free = c_int32.from_address(memory[0].data_ptr()), iter(memory)
    with monkeypatch.context() as patch:
        patch.setattr("cenote_cpu_kernels.layers.empty", lambda *_: next(free))
        *state, end = run(normed, stream, **given, interrupt=Interrupt(flag))
    assert flag.value
    assert end == 1
    assert torch.equal(run(*state, **given, first=end)[1], whole)


@pytest.mark.parametrize("quantization", [None, "int8"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("kind", [PLAIN, MODERN], ids=["post", "pre"])
def test_many_rows_go_through_joined_layers_in_chunks_and_give_the_same(
    kind: Mapping[str, Any], dtype: torch.dtype, quantization: str | None
) -> None:
    layers = [layer(dtype, place, quantization, **kind) for place in (0, 10)]
    normed, stream, angles = batch(dtype, sum(MANY))
    expected = one_by_one(layers, normed, stream, angles, MANY, MANY)[1]
    run = joined(layers, dtype, quantization)
    for threads in (1, 2, 3, 8):
        with computing_with(threads):
            found = run(normed, stream, lengths=MANY, key_lengths=MANY, angles=angles)[1]
        assert torch.equal(found, expected), threads


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_joined_layers_of_int8_weights_do_too(dtype: torch.dtype) -> None:
    layers = [layer(dtype, place, "int8") for place in (0, 10)]
    normed, stream, angles = batch(dtype)

    found = joined(layers, dtype, "int8")(normed, stream, lengths=LENGTHS, key_lengths=KEYS, angles=angles)[1]

    assert torch.equal(found, one_by_one(layers, normed, stream, angles)[1])


def test_rows_apart_and_a_nan_in_one_sequence_are_read_as_they_are() -> None:
    layers = [layer(torch.float32, 0)]
    wide = numbers(sum(LENGTHS), 2 * WIDTH, seed=5)
    wide[7, 3] = torch.nan
    part = wide[:, :WIDTH]

    found = joined(layers)(part, part, lengths=LENGTHS, key_lengths=KEYS, angles={})[1]

    expected = one_by_one(layers, part, part, {})[1]
    assert torch.equal(found.isnan(), expected.isnan())
    assert found[:6].isfinite().all()
    assert found[7].isnan().all()


def test_layers_with_an_operator_of_another_backend_are_not_joined() -> None:
    plain, gated = layer(torch.float32, 0), layer(torch.float32, 0, **MODERN)
    foreign = replace(plain.norms[0], kernel=lambda *_, **__: None)

    traced = functools.wraps(varlen_attention)(lambda *args, **kwargs: varlen_attention(*args, **kwargs))
    guarded = functools.wraps(traced)(lambda *args, **kwargs: traced(*args, **kwargs))

    assert join_layers([replace(plain, attention=guarded)]) is None
    assert join_layers([]) is None
    assert join_layers([replace(gated, gate=plain_activation.bias_act)]) is None
    assert join_layers([replace(plain, norms=(foreign, plain.norms[1]))]) is None
    assert join_layers([replace(plain, products=(*plain.products[:3], lambda rows, *, activation=None: rows))]) is None
    assert join_layers([replace(plain, call=replace(plain.call, size=16))]) is None
    assert join_layers([replace(plain, call=replace(plain.call, scale=-1.0))]) is None
    # What is not called may be anybody's.
    assert (join_layers([replace(plain, gate=plain_activation.bias_act)]) is not None) == is_compiled()


def test_tensors_that_do_not_fit_are_refused_before_they_are_read() -> None:
    layers = [layer(torch.bfloat16, 0, **MODERN)]
    normed, stream, angles = batch(torch.bfloat16)
    run = join_layers(layers)
    calls: list[tuple[Tensor, Tensor, Sequence[int], Mapping[str, Angles]]] = [
        (normed[:, :-1], stream, LENGTHS, angles),
        (normed.float(), stream, LENGTHS, angles),
        (normed, stream[:-1], LENGTHS, angles),
        (normed, stream.double(), LENGTHS, angles),
        (normed, stream, (5, 1, 40, 10), angles),
        (normed, stream, LENGTHS, {}),
        (normed, stream, LENGTHS, {"local": (angles["local"][0][:-1], angles["local"][1])}),
        (normed, stream.to("meta"), LENGTHS, angles),
    ]
    for rows, residual, lengths, turned in calls:
        if run is None:  # nothing is joined here
            continue
        with pytest.raises(ShapeError):
            run(rows, residual, lengths=lengths, key_lengths=KEYS, angles=turned)


# What is offered is that of the machine's level.
@pytest.mark.parametrize("at_level", [USABLE[-1]], indirect=True)
def test_the_installed_kernel_joins_layers_of_installed_kernels() -> None:
    kernels = {name: get_kernel(name) for name in ("varlen_attention", "rotary", "bias_act", "residual_norm", "linear")}
    own = layer(torch.float32, 0)
    weights = [
        numbers(*shape, seed=1) for shape in ((3 * WIDTH, WIDTH), (WIDTH, WIDTH), (INNER, WIDTH), (WIDTH, INNER))
    ]
    qkv, out, up, down = (kernels["linear"](weight, None) for weight in weights)
    steps = (replace(own.norms[0], kernel=kernels["residual_norm"]),) * 2
    described = replace(own, products=(qkv, out, up, down), norms=steps, attention=kernels["varlen_attention"])
    join = getattr(kernels["linear"], "join", None)

    assert (join is not None) == is_compiled()
    found = join([described]) if join is not None else None
    assert (found is not None) == is_compiled()
    if found is not None:
        with pytest.raises(PluginFailure):
            found(numbers(3, WIDTH, seed=1), numbers(3, WIDTH, seed=1), lengths=(4,), key_lengths=(4,), angles={})
