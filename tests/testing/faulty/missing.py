"""Run by test_kit.py: classes that override nothing."""

from cenote.testing.adapter import AdapterConformance
from cenote.testing.kernels import KernelConformance
from cenote.testing.poolers import PoolerConformance


class TestNoPooler(PoolerConformance):
    pass


class TestNothingSet(AdapterConformance):
    pass


class TestNoOperator(KernelConformance):
    cases = ()

    def test_asks(self, kernel):
        pass
