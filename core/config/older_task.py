"""The option `task` of earlier vLLM versions, which said runner, conversion and default task in one word."""

from __future__ import annotations

from typing import Any

from cenote.config.pooler import PoolerConfig
from cenote.errors import InvalidRequest

__all__ = ["options_of_task", "with_task"]

#: What each word stood for. Source: vLLM before 0.11, `--task`.
_MEANING: dict[str, dict[str, Any]] = {
    "auto": {},
    "embed": {"convert": "embed", "pooler_config": {"task": "embed"}},
    "embedding": {"convert": "embed", "pooler_config": {"task": "embed"}},
    "classify": {"convert": "classify", "pooler_config": {"task": "classify"}},
    "score": {"runner": "pooling"},  # embedders scored too, by cosine
    "reward": {"runner": "pooling"},
    "token_embed": {"pooler_config": {"task": "token_embed"}},
    "token_classify": {"pooler_config": {"task": "token_classify"}},
    "plugin": {"pooler_config": {"task": "plugin"}},
}
_GENERATING = ("generate", "draft", "transcription")


def options_of_task(task: str) -> tuple[dict[str, Any], str]:
    """Return the options that a task stands for, and a sentence that says how to spell them today.

    Raises:
        InvalidRequest: the task was removed, generates text, or is unknown.
    """
    if task == "encode":
        text = "Task 'encode' was removed; use pooler_config={'task': 'token_embed'} or 'token_classify'."
        raise InvalidRequest(text, param="task")
    if task in _GENERATING:
        raise InvalidRequest(f"task={task!r} is not offered: cenote runs pooling models only.", param="task")
    if task not in _MEANING:
        raise InvalidRequest(f"task={task!r} is unknown. Known: {', '.join(_MEANING)}.", param="task")
    options = _MEANING[task]
    words = [f"{name}={value!r}" for name, value in options.items()]
    advice = f"say {' and '.join(words)} instead" if words else "leave it out"
    return options, f"The option task={task!r} is deprecated: {advice}."


def with_task(options: dict[str, Any], task: str, meant: dict[str, Any]) -> dict[str, Any]:
    """Add what the older option `task` stands for to the options.

    Raises:
        InvalidRequest: they say something else.
    """
    merged = dict(options)
    for name, value in meant.items():
        if name == "pooler_config":
            pooler = PoolerConfig.of(merged.get(name))
            found, wanted = pooler.task, value["task"]
            merged[name] = PoolerConfig(**{**pooler.model_dump(exclude_unset=True), "task": wanted})
        else:
            found, wanted = merged.get(name), value
            merged[name] = wanted
        if found not in (None, "auto", wanted):
            text = f"task={task!r} means {name}={value!r}, and {found!r} is asked for too. Leave task out."
            raise InvalidRequest(text, param="task")
    return merged
