"""`cenote serve`: load a model and answer over HTTP."""

from __future__ import annotations

import logging
import logging.config
import os
import signal
from pathlib import Path
from types import FrameType
from typing import Annotated, Any

import typer

from cenote.cli.engine_extras import SpreadCommand, engine_extras
from cenote.cli.engine_options import engine_options
from cenote.cli.options import given_options, with_flags
from cenote.config.engine import EngineConfig
from cenote.config.server import ServerConfig
from cenote.errors import CenoteError, CheckpointError, InvalidRequest

__all__ = ["app", "serve"]

_log = logging.getLogger(__name__)

app = typer.Typer(add_completion=False)


@app.command("serve", cls=SpreadCommand)
@with_flags(
    EngineConfig,
    ServerConfig,
    skip=("model",),
    names={"api_keys": "--api-key", "allowed_lora_paths": "--allowed-lora-path"},
    extra=engine_extras(),
)
def serve(
    model: Annotated[str | None, typer.Argument(help="Folder or hub id; none is the demonstration model.")] = None,
    named: Annotated[str | None, typer.Option("--model", "-m", help="MODEL, as a flag.", show_default=False)] = None,
    examples: Annotated[bool, typer.Option("--examples", help="Print three curl lines to try.")] = False,
    **options: Any,
) -> None:
    """Load a model and serve it over HTTP until SIGINT or SIGTERM; either ends it with exit code 0.

    Running requests get --shutdown-grace seconds to finish; a second signal stops at once.
    """
    if model is not None and named is not None:
        text = f"The model is given twice, {model!r} and --model {named!r}; give it once."
        raise InvalidRequest(text, param="model")
    names = options.get("served_model_name") or []
    if model is None and named is None and len(names) > 1:
        text = "Several served names and no model: put it first, as in cenote serve MODEL --served-model-name A B."
        raise InvalidRequest(text, param="model")
    config = ServerConfig.from_options(**given_options(ServerConfig, options))
    _serve(named if model is None else model, config, engine_options(options), examples)


def _serve(model: str | None, config: ServerConfig, wanted: dict[str, Any], examples: bool) -> None:
    from cenote.server.banner import address_warning, ready_text
    from cenote.server.log import log_config
    from cenote.server.run import bind_sockets, run_server

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _leave)
    logging.config.dictConfig(log_config(config))
    EngineConfig.from_options(model=model, **wanted)  # complain before the slow part
    names, unlisted = _names(model, wanted.get("served_model_name"))
    sockets = bind_sockets(config)
    if warning := address_warning(config):
        _log.warning(warning)
    engine = _load(model, {**wanted, "served_model_name": names})

    from cenote.server.app import build_app

    asgi = build_app(engine, config, served_names=names, unlisted_names=unlisted)
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


def _names(model: str | None, served: list[str] | None) -> tuple[list[str], dict[str, str]]:
    """Return the names to list, and those that are accepted besides.

    A folder is listed by its last part: answers do not tell where on the server it lies. Whoever knows the whole
    path may use it, as in other servers.
    """
    if served:
        if not all(name.strip() for name in served):
            raise InvalidRequest(
                "--served-model-name is empty; give a name, or leave the option out.", param="served_model_name"
            )
        return served, {}
    if model is None:
        from cenote.checkpoints.default import DEFAULT_MODEL_ID, DEFAULT_MODEL_NAME

        return [DEFAULT_MODEL_NAME], {DEFAULT_MODEL_ID: DEFAULT_MODEL_NAME}
    path = Path(model)
    if path.is_dir():
        return [path.resolve().name], {model: path.resolve().name}
    return [model], {}


def _load(model: str | None, options: dict[str, Any]) -> Any:
    from cenote.engine import AsyncLLM

    try:
        return AsyncLLM(model, **options)
    except CenoteError:
        raise
    except Exception as exc:  # transformers and safetensors raise many kinds
        _log.debug("loading failed", exc_info=exc)
        reason = (str(exc).strip().splitlines() or [""])[0]
        raise CheckpointError(f"Could not load {model or 'the demonstration model'}: {reason or repr(exc)}") from exc
