"""Memory that is kept between batches is never that of a result that somebody has."""

from __future__ import annotations

import os
import threading
import warnings

import torch

from cenote.kernels.memory import KeptMemory

_SHAPE = (64, 32)


def _kept(most: int = 1 << 20, idle: int = 100) -> KeptMemory:
    return KeptMemory(least=1 << 10, most=most, idle=idle)


def test_memory_is_used_again_once_nobody_has_it() -> None:
    memory = _kept()
    first = memory.empty(_SHAPE)
    place = first.data_ptr()
    del first
    assert memory.kept() == 8192
    much_smaller = memory.empty((6, 100), torch.bfloat16)
    assert much_smaller.data_ptr() != place
    again = memory.empty((30, 100), torch.bfloat16)  # a smaller one, of another type
    assert (again.shape, again.dtype, again.is_contiguous()) == ((30, 100), torch.bfloat16, True)
    assert again.data_ptr() == place
    assert memory.kept() == 0


def test_a_forked_process_begins_anew_also_while_a_thread_takes_memory() -> None:
    memory = _kept()
    with memory._lock:
        memory.forget()
        assert memory.empty(_SHAPE).shape == _SHAPE


def test_a_view_keeps_memory_from_being_lent_again() -> None:
    memory = _kept()
    whole = memory.empty(_SHAPE).fill_(7)
    row = whole.detach()[3:5, ::2].T
    del whole
    assert not any(memory.empty(_SHAPE).fill_(1).data_ptr() == row.untyped_storage().data_ptr() for _ in range(5))
    assert row.eq(7).all()
    place = row.untyped_storage().data_ptr()
    del row
    assert place in {each.data_ptr() for each in [memory.empty(_SHAPE) for _ in range(3)]}


def test_small_tensors_are_ordinary_ones() -> None:
    memory = _kept()
    assert memory.empty((4, 4)).untyped_storage().nbytes() == 64
    assert memory.empty((0, 400)).shape == (0, 400)
    assert memory.kept() == 0


def test_memory_beyond_the_bound_is_let_go() -> None:
    memory = _kept(most=16384)
    held = [memory.empty(_SHAPE) for _ in range(5)]
    held.clear()
    assert memory.kept() == 16384


def test_memory_that_nobody_wants_for_long_is_let_go() -> None:
    memory = _kept(idle=10)
    memory.empty((640, 32))
    assert memory.kept() == 1 << 17
    held = memory.empty((640, 32)), memory.empty(_SHAPE)
    del held
    assert memory.kept() == (1 << 17) + 8192
    for _ in range(11):
        memory.empty(_SHAPE)
    assert memory.kept() == 8192


def test_threads_never_share_memory() -> None:
    memory, wrong = _kept(), []

    def work(number: int) -> None:
        for turn in range(300):
            mine = memory.empty((10 + turn % 50, 32)).fill_(number)
            inner = memory.empty((10 + turn % 7, 64)).fill_(-1.0)
            if not (bool(mine.eq(number).all()) and bool(inner.eq(-1).all())):
                wrong.append(number)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_a_fork_has_memory_of_its_own() -> None:
    memory = _kept()
    mine = memory.empty(_SHAPE).fill_(1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of forks beside threads: the child does nothing that could wait for one
        child = os.fork()
    if child == 0:
        mine.view(-1).numpy()[:] = 2
        os._exit(0)
    os.waitpid(child, 0)
    assert mine.eq(1).all()
