"""The specs: what the distribution offers, without loading torch."""

from __future__ import annotations

import subprocess
import sys

import pytest

import cenote_reward
from cenote.registry import ArchitectureSpec, default_registry

SPECS = [cenote_reward.INTERNLM2, cenote_reward.QWEN2_REWARD, cenote_reward.QWEN2_PROCESS_REWARD]


def test_importing_the_specs_loads_no_torch() -> None:
    code = "import sys, cenote_reward; print(sorted({'torch', 'transformers', 'numpy'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)
def test_every_spec_is_an_entry_point(spec: ArchitectureSpec) -> None:
    registry = default_registry()
    for name in spec.architectures:
        (entry,) = registry.entries("cenote.architectures")[name]
        assert entry.distribution == "cenote-reward"
        assert registry.load(entry) is spec
