"""Steps that cenote's engine has made, as a server's metrics tell, and those of a bulk job among them."""

from __future__ import annotations

import re
import urllib.request
from urllib.parse import urljoin

from harness.process import WorkerError

__all__ = ["Steps", "job_step", "less", "mean_step", "steps_of"]

#: Number and seconds of steps.
Steps = tuple[float, float]


def steps_of(address: str) -> Steps:
    """Return how many steps a server has made, and the seconds that they took.

    Args:
        address: of any of its routes.
    """
    with urllib.request.urlopen(urljoin(address, "/metrics")) as reply:
        text = reply.read().decode()

    def total(name: str) -> float:
        return sum(float(value) for value in re.findall(rf"^cenote:{name}_total\S* (\S+)$", text, re.MULTILINE))

    return total("forwards"), total("plugin_compute_seconds")


def less(late: Steps, early: Steps) -> Steps:
    """Return what came between two readings."""
    return late[0] - early[0], late[1] - early[1]


def mean_step(steps: Steps) -> float:
    """Return the milliseconds of a mean step."""
    return steps[1] / max(steps[0], 1) * 1e3


def job_step(all_steps: Steps, light: Steps, answered: float) -> float:
    """Return the mean milliseconds of the steps that a bulk job had beside short texts.

    Args:
        all_steps: of both.
        light: of such texts alone.
        answered: steps of such texts beside the job. Each is taken to be as long as those alone: what it takes longer
            beside the job counts as the job's. One short text at a time is a step of its own.

    Raises:
        WorkerError: the job had no step.
    """
    steps, spent = all_steps
    if steps - answered < 1:
        raise WorkerError("the bulk job had no step of its own")
    return (spent - answered * light[1] / max(light[0], 1)) / (steps - answered) * 1e3
