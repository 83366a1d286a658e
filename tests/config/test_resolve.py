"""Settings that remember where they came from."""

from __future__ import annotations

import json

from cenote.config import Fact, Resolved


def test_a_fact_is_its_line_and_remembers_its_parts() -> None:
    fact = Fact(384, "user")
    assert (fact, fact.value, fact.source) == ("384 (user)", 384, "user")
    assert Fact("no") == "no"
    assert Fact(("embed", "classify"), "user") == "embed, classify (user)"
    assert Fact("packed", "measured", "packed (why); more") == "packed (why); more"
    assert json.dumps({"a": fact}) == '{"a": "384 (user)"}'


def test_the_text_of_a_resolved_setting_is_a_fact() -> None:
    line = str(Resolved(True, "model_default"))
    assert isinstance(line, Fact)
    assert (line, line.value, line.source) == ("True (model_default)", True, "model_default")
