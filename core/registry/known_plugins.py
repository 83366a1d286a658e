"""What is not in the core, and the distribution of this project to install for it. Data only."""

from __future__ import annotations

__all__ = ["KNOWN_CODE", "KNOWN_PLUGINS", "KNOWN_PROCESSORS"]

#: Architecture string of config.json: distribution to install.
KNOWN_PLUGINS: dict[str, str] = {
    "BgeM3EmbeddingModel": "cenote-bge-m3",
    "BertSpladeSparseEmbeddingModel": "cenote-splade",
    "ColBERTJinaRobertaModel": "cenote-colbert",
    "ColBERTLfm2Model": "cenote-colbert",
    "ColBERTModernBertModel": "cenote-colbert",
    "HF_ColBERT": "cenote-colbert",
    "ColModernVBert": "cenote-colpali",
    "ColModernVBertForRetrieval": "cenote-colpali",
    "ColPaliForRetrieval": "cenote-colpali",
    "ColQwen3": "cenote-colqwen",
    "ColQwen3_5": "cenote-colqwen",
    "OpsColQwen3Model": "cenote-colqwen",
    "Qwen3VLNemotronEmbedModel": "cenote-colqwen",
    "LlamaBidirectionalForSequenceClassification": "cenote-nemotron-vl",
    "LlamaBidirectionalModel": "cenote-nemotron-vl",
    "LlamaNemotronVLForSequenceClassification": "cenote-nemotron-vl",
    "LlamaNemotronVLModel": "cenote-nemotron-vl",
    "InternLM2ForRewardModel": "cenote-reward",
    "Qwen2ForProcessRewardModel": "cenote-reward",
    "Qwen2ForRewardModel": "cenote-reward",
}

#: Hub repository of remote code, as `auto_map` names it: distribution that runs its models without that code.
KNOWN_CODE: dict[str, str] = {
    "jinaai/xlm-roberta-flash-implementation": "cenote-jina",
}

#: IO processor: distribution to install.
KNOWN_PROCESSORS: dict[str, str] = {
    "pdf-pages": "cenote-pdf-pages",
    "sparse-terms": "cenote-sparse-terms",
}
