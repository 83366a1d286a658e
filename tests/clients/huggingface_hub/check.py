"""`InferenceClient` of huggingface_hub, as it talks to Text Embeddings Inference."""

from __future__ import annotations

import asyncio
from typing import Any

from huggingface_hub import AsyncInferenceClient, InferenceClient
from huggingface_hub.errors import HfHubHTTPError
from plan import call, main, refusal


def client(plan: Any, path: str = "") -> InferenceClient:
    return InferenceClient(model=plan.embedder + path, token=plan.key)


@call("feature_extraction (one text)")
def one(plan: Any) -> Any:
    return client(plan).feature_extraction(plan.texts[0]).tolist(), plan.vectors[:1]


@call("feature_extraction (texts, at /embed)")
def several(plan: Any) -> Any:
    return client(plan, "/embed").feature_extraction(plan.texts).tolist(), plan.vectors


@call("feature_extraction (normalize false, truncate)")
def raw(plan: Any) -> Any:
    made = client(plan).feature_extraction(plan.texts, normalize=False, truncate=True, truncation_direction="right")
    return made.tolist(), plan.raw_vectors


@call("AsyncInferenceClient.feature_extraction")
def asynchronous(plan: Any) -> Any:
    patient = AsyncInferenceClient(model=plan.embedder, token=plan.key)
    return asyncio.run(patient.feature_extraction(plan.texts)).tolist(), plan.vectors


@call("sentence_similarity (at /similarity)")
def similarity(plan: Any) -> Any:
    found = client(plan, "/similarity").sentence_similarity(plan.query, other_sentences=plan.documents)
    return found, plan.cosines


def labels(plan: Any, **options: Any) -> list[Any]:
    asked = InferenceClient(model=plan.classifier + "/predict", token=plan.key)
    return [[found.label, found.score] for found in asked.text_classification(plan.texts[0], **options)]


@call("text_classification (at /predict)")
def classification(plan: Any) -> Any:
    return labels(plan), plan.labels


@call("text_classification (top_k)")
def best_label(plan: Any) -> Any:
    return labels(plan, top_k=1), plan.labels[:1]


@call("get_endpoint_info and health_check")
def facts(plan: Any) -> Any:
    asked = InferenceClient(model=plan.embedder, token=plan.key, provider="hf-inference")
    return [asked.get_endpoint_info()["model_id"], asked.health_check()], [plan.model, True]


@refusal("a wrong key is HfHubHTTPError", HfHubHTTPError)
def wrong_key(plan: Any) -> None:
    InferenceClient(model=plan.embedder, token="wrong").feature_extraction("a")


if __name__ == "__main__":
    main()
