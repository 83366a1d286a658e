"""`cenote models inspect`: what was resolved, and from where."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from cenote.cli.models import app
from cenote.testing.checkpoints import build_checkpoint
from cenote.testing.loras import build_lora


def inspect(*words: str) -> str:
    finished = CliRunner().invoke(app, ["inspect", *words])
    if finished.exception is not None:
        raise finished.exception
    return finished.stdout


def facts(*words: str) -> dict[str, tuple[Any, str | None]]:
    """Return value and source of each line."""
    return {name: (fact["value"], fact["source"]) for name, fact in json.loads(inspect(*words, "--json")).items()}


@pytest.fixture(scope="module")
def embedder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "bert"
    prompts = {"query": "Represent this sentence for searching relevant passages: ", "document": ""}
    return build_checkpoint("bert", folder, pooling="cls", prompts=prompts, default_prompt_name="document")


def test_an_embedder_tells_what_its_files_decided(embedder: Path) -> None:
    found = facts(str(embedder))
    assert found["architecture"] == ("BertModel", "config.json")
    assert found["adapter"] == ("transformers-encoder", "registry")
    assert found["distribution"][0].startswith("cenote ")
    assert "it is registered for 'BertModel'" in found["reason"][0]
    assert found["tasks"] == (["embed", "token_embed"], None)
    assert found["default task"] == ("embed", "model_default")
    assert found["pooling"] == ("CLS", "sentence_transformers")
    assert found["normalize"] == (True, "sentence_transformers")
    assert found["attention"] == ("bidirectional", "measured")
    assert found["execution"][0] == "packed"
    assert found["dtype"] == ("torch.float32", "model_default")
    assert found["max tokens"] == (128, "sentence_transformers")
    assert found["embedding size"] == (32, None)
    assert found["matryoshka"] == ("no", None)
    assert found["default prompt"] == ("document", "sentence_transformers")
    texts = {"query": "Represent this sentence for searching relevant p…", "document": ""}
    assert found["prompts"] == (texts, "sentence_transformers")
    assert found["chat template"] == ("none", None)
    assert found["lora adapters"] == ("none", None)


def test_what_the_user_decided_says_so(embedder: Path, tmp_path: Path) -> None:
    overrides = {"matryoshka_dimensions": [8, 16], "architectures": ["BertForMaskedLM"]}
    adapter = build_lora(embedder, tmp_path / "lora", targets=["query"])
    words = ["--pooler-config.task=token_embed", "--pooler-config.seq_pooling_type=MEAN+CLS", "--max-model-len", "64"]
    words += ["--hf-overrides", json.dumps(overrides), "--convert", "embed", "--runner", "pooling"]
    words += ["--pooler-config.use_activation=false", "--lora-modules", f"one={adapter}"]
    found = facts(str(embedder), *words)
    for name, value in {
        "architecture": "BertForMaskedLM",
        "runner": "pooling",
        "convert": "embed",
        "default task": "token_embed",
        "pooling": "MEAN+CLS",
        "normalize": False,
        "max tokens": 64,
        "matryoshka": [8, 16],
        "lora adapters": ["one"],
    }.items():
        assert found[name] == (value, "user"), name


def test_a_classifier_tells_its_labels_and_activation(tmp_path: Path) -> None:
    found = facts(str(build_checkpoint("bert_classifier", tmp_path)))
    assert found["architecture"] == ("BertForSequenceClassification", "config.json")
    assert found["adapter"] == ("transformers-sequence-classifier", "registry")
    assert found["convert"] == ("classify", "registry")
    assert found["tasks"][0] == ["classify", "token_classify"]
    assert found["labels"][0] == "3: negative, neutral, positive"
    assert found["activation"] == ("softmax", "default")
    assert "embedding size" not in found


def test_a_language_model_without_files_tells_how_it_became_an_embedder(tmp_path: Path) -> None:
    folder = build_checkpoint("qwen3", tmp_path, sentence_transformers=False)
    found = facts(str(folder), "--chat-template", "{{ messages }}")
    assert found["attention"] == ("causal", "measured")
    assert found["pooling"] == ("LAST", "pooler_default")
    assert found["prompts"] == ("none", None)
    assert found["chat template"] == ("given", "user")
    assert "its name ends in 'ForCausalLM'" in found["reason"][0]


def test_the_table_has_a_line_for_each_setting_with_its_source_in_words(
    embedder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "160")
    lines = inspect(str(embedder)).splitlines()
    assert lines[0].split() == ["setting", "value", "from"]
    shown = {line.partition("  ")[0]: " ".join(line.partition("  ")[2].split()) for line in lines[1:]}
    assert shown["pooling"] == "CLS Sentence-Transformers files"
    assert shown["normalize"] == "yes Sentence-Transformers files"
    assert shown["adapter"] == "transformers-encoder the registry, see reason"
    assert shown["attention"] == "bidirectional measured on the loaded weights"


def test_it_is_listed_and_its_help_imports_no_torch(site) -> None:
    assert "inspect" in site.fresh("models", "--help").stdout
    code = "import sys; sys.argv = ['cenote', 'models', 'inspect', '--help']\nfrom cenote.cli import main\n"
    finished = site.python(f"{code}try:\n    main()\nexcept SystemExit:\n    print('torch' in sys.modules)")
    assert finished.stdout.splitlines()[-1] == "False"


def test_a_model_that_is_not_there_is_one_line(here: Any) -> None:
    finished = here("models", "inspect", "./nowhere")
    assert finished.returncode == 1
    assert finished.stderr.startswith("Error: There is no folder './nowhere'")
