"""How much memory does a text of 8192 tokens take on BGE-M3, all three forms at once, beside the model itself?

A model of the published sizes with random weights, except that it has few layers: what a layer needs is free again
before the next one. The peak is the kernel's, of the whole process, so that it has whatever any library allocates.
"""

from __future__ import annotations

import argparse
import json
import re
import tempfile
from collections.abc import Sequence
from pathlib import Path

import torch
from harness.options import whole
from transformers import XLMRobertaConfig, XLMRobertaModel

from cenote import LLM
from cenote.testing.bench import machine
from cenote.testing.checkpoints import build_checkpoint
from cenote.testing.texts import training_lines

TOKENS, WIDTH, VOCABULARY = 8192, 1024, 250_002
SIZES = {"hidden_size": WIDTH, "num_attention_heads": 16, "intermediate_size": 4096}
FORMS = ("dense", "sparse", "multi")


def main() -> None:
    """Run a text for one form and for all, and print what it took."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--layers", type=whole(1, 100), default=2)
    vocabulary = whole(1000, 10_000_000, "the tokenizer has several hundred")
    parser.add_argument("--vocabulary", type=vocabulary, default=VOCABULARY)
    options = parser.parse_args()
    print(", ".join(f"{name} {value}" for name, value in machine().items()))
    with tempfile.TemporaryDirectory() as folder, LLM(str(build(Path(folder), options))) as llm:
        ask(llm, "water")
        before = resident("VmRSS")
        for forms in (FORMS[:1], FORMS):
            Path("/proc/self/clear_refs").write_text("5")  # the peak is the present size from now on
            ask(llm, " ".join(training_lines() * 20), forms)
            print(f"{TOKENS} tokens, {'+'.join(forms)}: {resident('VmHWM') - before} MiB more than {before} MiB")


def build(folder: Path, options: argparse.Namespace) -> Path:
    """Write the model with the tokenizer of the look-alike, whose vocabulary is smaller, and return its folder."""
    build_checkpoint("bge_m3_triple", folder, max_seq_length=TOKENS)
    known = json.loads((folder / "config.json").read_text())
    config = XLMRobertaConfig(
        **known | SIZES | {"num_hidden_layers": options.layers, "max_position_embeddings": TOKENS + 2},
    )
    config.vocab_size = options.vocabulary
    XLMRobertaModel(config).save_pretrained(folder)
    (folder / "pytorch_model.bin").unlink()
    file = folder / "tokenizer_config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"model_max_length": TOKENS}))
    for name, rows in (("sparse_linear", 1), ("colbert_linear", WIDTH)):
        torch.save({"weight": torch.randn(rows, WIDTH) / 32, "bias": torch.zeros(rows)}, folder / f"{name}.pt")
    return folder


def ask(llm: LLM, text: str, forms: Sequence[str] = FORMS) -> None:
    """Run a text, cut to what the model reads."""
    llm.encode(text, outputs=list(forms), tokenization_kwargs={"truncate_prompt_tokens": -1}, use_tqdm=False)


def resident(name: str) -> int:
    """Return a size of this process in MiB, as Linux counts it."""
    (found,) = re.findall(rf"{name}:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return int(found) // 1024


if __name__ == "__main__":
    main()
