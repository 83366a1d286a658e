"""The official client of OpenAI: embeddings, synchronous and asynchronous, in both encodings, and its errors."""

from __future__ import annotations

import asyncio
from typing import Any

import openai
from plan import call, main, refusal


def client(plan: Any, **options: Any) -> openai.OpenAI:
    return openai.OpenAI(**{"base_url": plan.embedder + "/v1", "api_key": plan.key, "max_retries": 0, **options})


def vectors(answer: Any) -> list[list[float]]:
    return [item.embedding for item in answer.data]


@call("embeddings.create (base64, the default)")
def base64(plan: Any) -> Any:
    return vectors(client(plan).embeddings.create(model=plan.model, input=plan.texts)), plan.vectors


@call("embeddings.create (encoding_format float)")
def floats(plan: Any) -> Any:
    made = client(plan).embeddings.create(model=plan.model, input=plan.texts, encoding_format="float")
    return vectors(made), plan.vectors


@call("embeddings.create (one text)")
def one_text(plan: Any) -> Any:
    return vectors(client(plan).embeddings.create(model=plan.model, input=plan.texts[0])), plan.vectors[:1]


@call("embeddings.create (token ids)")
def token_ids(plan: Any) -> Any:
    return vectors(client(plan).embeddings.create(model=plan.model, input=plan.token_ids)), plan.vectors


@call("embeddings.create (dimensions)")
def dimensions(plan: Any) -> Any:
    made = client(plan).embeddings.create(model=plan.nested_model, input=plan.texts, dimensions=plan.dimensions)
    return vectors(made), plan.nested_cut


@call("AsyncOpenAI.embeddings.create")
def asynchronous(plan: Any) -> Any:
    async def ask() -> list[list[float]]:
        async with openai.AsyncOpenAI(base_url=plan.embedder + "/v1", api_key=plan.key, max_retries=0) as patient:
            return vectors(await patient.embeddings.create(model=plan.model, input=plan.texts))

    return asyncio.run(ask()), plan.vectors


@call("usage counts the tokens")
def usage(plan: Any) -> Any:
    made = client(plan).embeddings.create(model=plan.model, input=plan.texts)
    tokens = sum(map(len, plan.token_ids))
    return [made.usage.prompt_tokens, made.usage.total_tokens], [tokens, tokens]


@call("models.list")
def models(plan: Any) -> Any:
    return [card.id for card in client(plan).models.list()], plan.served


@call("a bad input names its field (param)")
def parameter(plan: Any) -> Any:
    try:
        client(plan).embeddings.create(model=plan.model, input=plan.texts, dimensions=3)
    except openai.BadRequestError as exc:
        return exc.param, "dimensions"
    return None, "dimensions"


@refusal("a bad input is BadRequestError", openai.BadRequestError)
def bad_input(plan: Any) -> None:
    client(plan).embeddings.create(model=plan.model, input=[])


@refusal("a wrong key is AuthenticationError", openai.AuthenticationError)
def wrong_key(plan: Any) -> None:
    client(plan, api_key="wrong").embeddings.create(model=plan.model, input=plan.texts)


@refusal("an unknown model is NotFoundError", openai.NotFoundError)
def unknown_model(plan: Any) -> None:
    client(plan).embeddings.create(model="nobody", input=plan.texts)


if __name__ == "__main__":
    main()
