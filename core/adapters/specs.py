"""Specs of the built-in adapters; torch-free, named by the entry points of the distribution `cenote`."""

from __future__ import annotations

from cenote.registry import ArchitectureSpec

__all__ = [
    "BGE_RERANKER_GEMMA",
    "DECODER",
    "DUAL_TOWERS",
    "ENCODER",
    "GTE",
    "GTE_SEQUENCE_CLASSIFIER",
    "GTE_TOKEN_CLASSIFIER",
    "LM_CLASSIFIER",
    "MXBAI_RERANK_V2",
    "NOMIC",
    "QWEN3_RERANKER",
    "QWEN3_VL_EMBEDDER",
    "QWEN3_VL_RERANKER",
    "SEQUENCE_CLASSIFIER",
    "STATIC",
    "TOKEN_CLASSIFIER",
]

_TASKS = ("embed", "token_embed")
#: `score` goes with a single label only, so it is not promised.
_SEQUENCE_TASKS = ("classify", "token_classify")

ENCODER = ArchitectureSpec(
    name="transformers-encoder",
    architectures=(
        "BertModel",
        "CamembertModel",
        "DebertaV2Model",
        "DistilBertModel",
        "ElectraModel",
        "EuroBertModel",
        "GteModel",
        "MPNetModel",
        "ModernBertModel",
        "RobertaModel",
        "XLMRobertaModel",
        "convert:embed:encoder",
    ),
    adapter="cenote.adapters.embed:EmbedderAdapter",
    tasks=_TASKS,
    summary="Bidirectional encoders of transformers as embedders",
    examples=("sentence-transformers/all-MiniLM-L6-v2", "intfloat/e5-small-v2", "BAAI/bge-small-en-v1.5"),
)

DECODER = ArchitectureSpec(
    name="transformers-decoder",
    architectures=(
        "Gemma2Model",
        "Gemma3TextModel",
        "GemmaModel",
        "LlamaModel",
        "MistralModel",
        "Qwen2Model",
        "Qwen3Model",
        "convert:embed:decoder",
    ),
    adapter="cenote.adapters.embed:EmbedderAdapter",
    tasks=_TASKS,
    summary="Language models of transformers as embedders, their output layer dropped",
    examples=("Qwen/Qwen3-Embedding-0.6B", "google/embeddinggemma-300m"),
)

NOMIC = ArchitectureSpec(
    name="nomic-bert",
    architectures=("NomicBertModel",),
    adapter="cenote.adapters.nomic:NomicAdapter",
    tasks=_TASKS,
    config_repair="cenote.checkpoints.repairs.nomic:repair_nomic",
    summary="Nomic BERT, whose published config uses the names of GPT-2",
    examples=("nomic-ai/nomic-embed-text-v1.5",),
)

STATIC = ArchitectureSpec(
    name="static-embedding",
    architectures=("StaticEmbedding", "StaticModel", "model_type:model2vec"),
    adapter="cenote.adapters.static:StaticAdapter",
    tasks=_TASKS,
    summary="Static embeddings of sentence-transformers and Model2Vec: a table of token vectors, no network",
    examples=("sentence-transformers/static-retrieval-mrl-en-v1", "minishlab/potion-base-8M"),
)

DUAL_TOWERS = ArchitectureSpec(
    name="dual-towers",
    architectures=("CLIPModel", "SiglipModel"),
    adapter="cenote.adapters.dual_towers:DualTowerAdapter",
    tasks=("embed",),
    modalities=("text", "image"),
    summary="CLIP and SigLIP: a text or an image becomes one vector of the same space",
    examples=("openai/clip-vit-base-patch32", "google/siglip-base-patch16-224", "google/siglip2-base-patch16-224"),
)

GTE = ArchitectureSpec(
    name="alibaba-gte",
    architectures=("GteNewModel", "NewModel"),
    adapter="cenote.adapters.embed:EmbedderAdapter",
    tasks=_TASKS,
    config_repair="cenote.checkpoints.repairs.gte:repair_gte",
    summary="Alibaba's GTE encoders, whose published config has the model type `new`",
    examples=("Alibaba-NLP/gte-base-en-v1.5", "Alibaba-NLP/gte-multilingual-base"),
)

SEQUENCE_CLASSIFIER = ArchitectureSpec(
    name="transformers-sequence-classifier",
    architectures=("convert:classify:sequence",),
    adapter="cenote.adapters.classify:SequenceClassifierAdapter",
    tasks=_SEQUENCE_TASKS,
    summary="Classes of transformers that label texts or pairs: classifiers, cross-encoders, reward models",
    examples=("cross-encoder/ms-marco-MiniLM-L-6-v2", "BAAI/bge-reranker-v2-m3"),
)

TOKEN_CLASSIFIER = ArchitectureSpec(
    name="transformers-token-classifier",
    architectures=("convert:classify:token",),
    adapter="cenote.adapters.classify:TokenClassifierAdapter",
    tasks=("token_classify",),
    summary="Classes of transformers that label tokens",
    examples=("boltuix/NeuroBERT-NER",),
)

LM_CLASSIFIER = ArchitectureSpec(
    name="transformers-lm-classifier",
    architectures=("convert:classify:lm",),
    adapter="cenote.adapters.lm_head:LmClassifierAdapter",
    tasks=_SEQUENCE_TASKS,
    summary="Language models of transformers that judge by a few of their words, such as yes and no",
)

GTE_SEQUENCE_CLASSIFIER = ArchitectureSpec(
    name="alibaba-gte-sequence-classifier",
    architectures=("GteNewForSequenceClassification", "NewForSequenceClassification"),
    adapter="cenote.adapters.classify:SequenceClassifierAdapter",
    tasks=_SEQUENCE_TASKS,
    config_repair="cenote.checkpoints.repairs.gte:repair_gte",
    summary="Alibaba's GTE rerankers and classifiers",
    examples=("Alibaba-NLP/gte-multilingual-reranker-base",),
)

GTE_TOKEN_CLASSIFIER = ArchitectureSpec(
    name="alibaba-gte-token-classifier",
    architectures=("GteNewForTokenClassification", "NewForTokenClassification"),
    adapter="cenote.adapters.classify:TokenClassifierAdapter",
    tasks=("token_classify",),
    config_repair="cenote.checkpoints.repairs.gte:repair_gte",
    summary="Alibaba's GTE encoders with a label for every token",
)

QWEN3_RERANKER = ArchitectureSpec(
    name="qwen3-reranker",
    architectures=("Qwen3ForCausalLM", "Qwen3ForSequenceClassification"),
    adapter="cenote.adapters.rerankers:Qwen3RerankerAdapter",
    tasks=_SEQUENCE_TASKS,
    markers=("name:*qwen3-reranker*",),
    summary="Qwen3-Reranker: P(yes), with its own prompt",
    examples=("Qwen/Qwen3-Reranker-0.6B",),
)

QWEN3_VL_EMBEDDER = ArchitectureSpec(
    name="qwen3-vl-embedder",
    architectures=("Qwen3VLModel",),  # Qwen3VLForConditionalGeneration is converted to it, unless it reranks
    adapter="cenote.adapters.qwen_vl.embedder:Qwen3VLEmbedderAdapter",
    tasks=_TASKS,
    modalities=("text", "image"),
    summary="Qwen3-VL-Embedding: texts, images and both together as one vector, by an instruction",
    examples=("Qwen/Qwen3-VL-Embedding-2B", "Qwen/Qwen3-VL-Embedding-8B"),
)

QWEN3_VL_RERANKER = ArchitectureSpec(
    name="qwen3-vl-reranker",
    architectures=("Qwen3VLForConditionalGeneration", "Qwen3VLForSequenceClassification"),
    adapter="cenote.adapters.qwen_vl.reranker:Qwen3VLRerankerAdapter",
    tasks=_SEQUENCE_TASKS,
    modalities=("text", "image"),
    markers=(
        "name:*qwen3-vl-reranker*|module:*.LogitScore|config:is_original_qwen3_reranker=true"
        "|config:method=from_2_way_softmax|config:method=no_post_processing",
    ),
    summary="Qwen3-VL-Reranker: P(yes) for a query and a document, each with images, with its own prompt",
    examples=("Qwen/Qwen3-VL-Reranker-2B", "Qwen/Qwen3-VL-Reranker-8B"),
)

MXBAI_RERANK_V2 = ArchitectureSpec(
    name="mxbai-rerank-v2",
    architectures=("Qwen2ForCausalLM", "Qwen2ForSequenceClassification"),
    adapter="cenote.adapters.rerankers:MxbaiRerankV2Adapter",
    tasks=_SEQUENCE_TASKS,
    markers=("name:*mxbai-rerank-*-v2*",),
    summary="mxbai-rerank v2: logit of 1 minus logit of 0, with its own prompt",
    examples=("mixedbread-ai/mxbai-rerank-base-v2",),
)

BGE_RERANKER_GEMMA = ArchitectureSpec(
    name="bge-reranker-v2-gemma",
    architectures=("GemmaForCausalLM", "GemmaForSequenceClassification"),
    adapter="cenote.adapters.rerankers:BgeRerankerGemmaAdapter",
    tasks=_SEQUENCE_TASKS,
    markers=("name:*bge-reranker-v2-gemma*",),
    summary="bge-reranker-v2-gemma: logit of Yes, with its own prompt",
    examples=("BAAI/bge-reranker-v2-gemma",),
)
