"""`cenote serve`: load models and answer over HTTP."""

from __future__ import annotations

import asyncio
import logging
import logging.config
import os
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cenote.cli.engine_extras import SpreadCommand, engine_extras
from cenote.cli.engine_options import engine_options
from cenote.cli.options import given_options, with_flags
from cenote.cli.served_models import ServedChoice, choose_models
from cenote.cli.served_processors import ServedProcessors
from cenote.config.engine import EngineConfig
from cenote.config.server import ServerConfig
from cenote.errors import CenoteError, CheckpointError, InvalidRequest

if TYPE_CHECKING:
    from cenote.engine import AsyncLLM, ComputeLoop

__all__ = ["app", "serve"]

_log = logging.getLogger(__name__)

app = typer.Typer(add_completion=False)


@app.command("serve", cls=SpreadCommand)
@with_flags(
    EngineConfig,
    ServerConfig,
    skip=("model", "ssl_keyfile_password"),
    names={"api_keys": "--api-key", "allowed_lora_paths": "--allowed-lora-path"},
    extra=engine_extras(),
)
def serve(
    models: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="MODEL",
            help="Folders or hub ids, each also as NAME=MODEL; none is the demonstration model.",
            show_default=False,
        ),
    ] = None,
    named: Annotated[str | None, typer.Option("--model", "-m", help="MODEL, as a flag.", show_default=False)] = None,
    examples: Annotated[bool, typer.Option("--examples", help="Print three curl lines to try.")] = False,
    **options: Any,
) -> None:
    """Load one model or several and serve them over HTTP until SIGINT or SIGTERM; either ends it with exit code 0.

    Requests choose a model by `model`; those that name none get the first. The options of model and engine hold for
    all of them, and one --served-model-name for each model names them in their order. Each model gets the IO
    processors that fit it.

    Running requests get --shutdown-grace seconds to finish; a second signal stops at once.
    """
    words = models or []
    if words and named is not None:
        text = f"The model is given twice, {words[0]!r} and --model {named!r}; give it once."
        raise InvalidRequest(text, param="model")
    choices = choose_models(words if named is None else [named], options.get("served_model_name") or [])
    config = ServerConfig.from_options(**given_options(ServerConfig, options))
    wanted = engine_options(options)
    if "lora-admin" in config.route_sets:
        wanted.setdefault("enable_lora", True)
    if len(choices) > 1 and wanted.get("lora_modules"):
        text = (
            "--lora-modules names adapters of one model, and there are several here. Serve that model alone, or load "
            "adapters by --enable-runtime-lora-updating, where requests say for which model."
        )
        raise InvalidRequest(text, param="lora_modules")
    _serve(choices, config, wanted, examples)


def _serve(choices: Sequence[ServedChoice], config: ServerConfig, wanted: dict[str, Any], examples: bool) -> None:
    from cenote.server.banner import address_warning, ready_text, routes_warning
    from cenote.server.log import log_config
    from cenote.server.run import check_options, run_server
    from cenote.server.sockets import bind_sockets

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _leave)
    logging.config.dictConfig(log_config(config))
    for choice in choices:  # complain before the slow part
        EngineConfig.from_options(model=choice.model, **wanted)
    check_options(config)
    sockets = bind_sockets(config)
    for warning in filter(None, (address_warning(config), routes_warning(config))):
        _log.warning(warning)
    engines = _load_all(choices, wanted)

    from cenote.server.app import build_app

    with _ended(engines):
        asgi = build_app(
            {name: engine for choice, engine in zip(choices, engines, strict=True) for name in choice.names},
            config,
            unlisted_names={alias: name for choice in choices for alias, name in choice.unlisted.items()},
        )
    run_server(
        asgi,
        config,
        sockets,
        on_ready=lambda: typer.echo(ready_text(asgi.state.cenote, sockets, examples=examples)),
    )


def _leave(number: int, frame: FrameType | None) -> None:
    """End the process while no request can be running yet.

    At once, not by an exception: that could come up inside any code of the libraries that load the model.
    """
    os._exit(0)


def _load_all(choices: Sequence[ServedChoice], options: dict[str, Any]) -> list[Any]:
    """Load one model after another, so that no two need the memory of loading at once; one thread runs them all."""
    from cenote.engine import ComputeLoop

    loop = ComputeLoop()
    if len(choices) == 1:
        return [_load(choices[0], loop, options)]
    processors = ServedProcessors(options)
    engines = []
    for choice in choices:
        _log.info("Loading %s", choice)
        try:
            engines.append(_load(choice, loop, processors.left(options)))
        except CenoteError as exc:
            raise CheckpointError(f"The model {choice} did not load: {exc}") from exc
    with _ended(engines):
        processors.add_to(engines)
    return engines


@contextmanager
def _ended(engines: Sequence[AsyncLLM]) -> Iterator[None]:
    """Shut engines down where the block fails: a process does not end well while their threads run."""
    try:
        yield
    except BaseException:
        for engine in engines:
            asyncio.run(engine.shutdown())
        raise


def _load(choice: ServedChoice, loop: ComputeLoop, options: dict[str, Any]) -> Any:
    from cenote.engine import AsyncLLM

    try:
        return AsyncLLM(choice.model, loop=loop, **{**options, "served_model_name": list(choice.names)})
    except CenoteError:
        raise
    except Exception as exc:  # transformers and safetensors raise many kinds
        _log.debug("loading failed", exc_info=exc)
        reason = (str(exc).strip().splitlines() or [""])[0]
        text = f"Could not load {choice.model or 'the demonstration model'}: {reason or repr(exc)}"
        raise CheckpointError(text) from exc
