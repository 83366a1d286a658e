"""The modules of a Sentence-Transformers pipeline, as plain data in the order of `modules.json`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

from cenote.checkpoints.files import read_object, safe_relative
from cenote.errors import CheckpointError

__all__ = [
    "DenseModule",
    "LayerNormModule",
    "Module",
    "NormalizeModule",
    "PoolingModule",
    "RouterModule",
    "StaticEmbeddingModule",
    "TransformerModule",
    "UnknownModule",
    "read_module",
]

#: Keys of the old form of a pooling config. The order is that in which vectors are concatenated where several are
#: true (sentence-transformers 6.2, sentence_transformer/modules/pooling.py).
_OLD_POOLING_KEYS = {
    "pooling_mode_cls_token": "cls",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len_tokens",
    "pooling_mode_weightedmean_tokens": "weightedmean",
    "pooling_mode_lasttoken": "lasttoken",
}
_METHODS = {
    "cls": "CLS",
    "max": "MAX",
    "mean": "MEAN",
    "mean_sqrt_len_tokens": "MEAN_SQRT_LEN",
    "weightedmean": "WEIGHTED_MEAN",
    "lasttoken": "LAST",
}
#: The class was moved between packages twice; every spelling is still found in published files.
_SPELLINGS = re.compile(
    r"sentence_transformers\.(?:models|base\.modules|sentence_transformer\.modules)\.(?:\w+\.)?"
    r"(Transformer|StaticEmbedding|Pooling|Dense|LayerNorm|Normalize|Dropout)"
)
_ROUTER = re.compile(r"sentence_transformers\.(?:models|base\.modules)\.(?:\w+\.)?(?:Router|Asym)")
_OTHER_SPELLINGS = {
    "custom_st.Transformer": "Transformer",
    "pylate.models.Dense.Dense": "Dense",
    "pylate.models.Dense": "Dense",
}
#: sentence-transformers' default where a Dense config names no activation.
_DEFAULT_ACTIVATION = "torch.nn.modules.activation.Tanh"


@dataclass(frozen=True, slots=True, kw_only=True)
class TransformerModule:
    """The backbone: where its files are, relative to the checkpoint (mostly `""`)."""

    type: str
    path: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolingModule:
    """Token vectors to one vector.

    Attributes:
        methods: cenote's names; the vectors of several methods are concatenated in this order.
        include_prompt: False takes the tokens of a stored prompt out of the pooling.
        dimension: width of a token vector, where the file says so.
    """

    type: str
    path: str
    methods: tuple[str, ...]
    include_prompt: bool = True
    dimension: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StaticEmbeddingModule(PoolingModule):
    """A table of token vectors and their mean: backbone and pooling in one, with table and tokenizer in `path`."""

    methods: tuple[str, ...] = ("MEAN",)


@dataclass(frozen=True, slots=True, kw_only=True)
class DenseModule:
    """`activation(linear(x))`, plus the input (projected where sizes differ) with `use_residual`.

    Weights are `linear.weight` [out_features, in_features], `linear.bias` and `residual.weight` in the folder `path`.

    Attributes:
        activation: dotted name of a torch module class.
        on_tokens: works on token vectors (late interaction), not on the pooled one.
        scores: gives the scores of a cross-encoder, not a vector.
    """

    type: str
    path: str
    in_features: int
    out_features: int
    bias: bool = True
    activation: str = _DEFAULT_ACTIVATION
    use_residual: bool = False
    on_tokens: bool = False
    scores: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerNormModule:
    """Layer normalisation with `norm.weight` and `norm.bias` [dimension] in the folder `path`; eps is torch's 1e-5."""

    type: str
    path: str
    dimension: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NormalizeModule:
    """L2 normalisation."""

    type: str
    path: str = ""
    on_tokens: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class DropoutModule:
    """Does nothing at inference."""

    type: str
    path: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class UnknownModule:
    """A module that the core cannot build; a plugin's adapter may."""

    type: str
    path: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RouterModule(UnknownModule):
    """Pipelines of which one runs, by what a text is for. Only a plugin's adapter can build it.

    Attributes:
        routes: name (mostly `query` and `document`) to the modules in order; paths are relative to the checkpoint.
        default: the route of texts that say nothing, or None where there is none.
        mappings: further rules of which route is taken, as the file has them.
    """

    routes: Mapping[str, tuple[Module, ...]]
    default: str | None = None
    mappings: Mapping[str, Any] = field(default_factory=dict)


Module: TypeAlias = (
    TransformerModule | PoolingModule | DenseModule | LayerNormModule | NormalizeModule | DropoutModule | UnknownModule
)


def read_module(root: Path, entry: Any) -> Module:
    """Describe one entry of `modules.json`, reading the module's own config where it has one.

    Raises:
        CheckpointError: the entry or the module's config is not of the form that sentence-transformers writes.
    """
    if not isinstance(entry, dict) or not isinstance(entry.get("type"), str):
        raise CheckpointError(f"{root / 'modules.json'} has an entry without a 'type': {entry!r:.80}.")
    dotted, path = entry["type"], entry.get("path", "")
    if not isinstance(path, str):
        raise CheckpointError(f"{root / 'modules.json'}: path of {dotted!r} must be a string, found {path!r}.")
    folder = safe_relative(root, path)
    found = _SPELLINGS.fullmatch(dotted)
    role = found.group(1) if found else _OTHER_SPELLINGS.get(dotted)
    if role == "Transformer":
        return TransformerModule(type=dotted, path=path)
    if role == "StaticEmbedding":
        return StaticEmbeddingModule(type=dotted, path=path)
    if role == "Pooling":
        return _pooling(dotted, path, folder / "config.json")
    if role == "Dense":
        return _dense(dotted, path, folder / "config.json")
    if role == "LayerNorm":
        config = read_object(folder / "config.json")
        return LayerNormModule(type=dotted, path=path, dimension=_size(config, "dimension", folder))
    if role == "Normalize":
        return NormalizeModule(type=dotted, path=path, on_tokens=_on_tokens(_optional(folder / "config.json"), folder))
    if role == "Dropout":
        return DropoutModule(type=dotted, path=path)
    if _ROUTER.fullmatch(dotted) and _optional(folder / "router_config.json"):
        return _router(dotted, path, root, folder)
    return UnknownModule(type=dotted, path=path)


def _optional(path: Path) -> Mapping[str, Any]:
    return read_object(path) if path.is_file() else {}


def _pooling(dotted: str, path: str, file: Path) -> PoolingModule:
    config = read_object(file)
    modes = config.get("pooling_mode")
    if modes is None:
        modes = [mode for key, mode in _OLD_POOLING_KEYS.items() if config.get(key)] or ["mean"]
    modes = [modes] if isinstance(modes, str) else modes
    known = isinstance(modes, list) and modes and all(isinstance(mode, str) and mode in _METHODS for mode in modes)
    if not known:
        raise CheckpointError(f"{file} asks for pooling {modes!r}; known are {', '.join(_METHODS)}.")
    dimension = config.get("embedding_dimension", config.get("word_embedding_dimension"))
    return PoolingModule(
        type=dotted,
        path=path,
        methods=tuple(_METHODS[mode] for mode in modes),
        include_prompt=bool(config.get("include_prompt", True)),
        dimension=dimension if isinstance(dimension, int) else None,
    )


def _dense(dotted: str, path: str, file: Path) -> DenseModule:
    config = read_object(file)
    activation = config.get("activation_function", _DEFAULT_ACTIVATION)
    if not isinstance(activation, str) or not activation.startswith("torch.nn."):
        raise CheckpointError(
            f"{file} names the activation {activation!r}; only classes of torch.nn are built, nothing else is imported."
        )
    scores = (config.get("module_input_name"), config.get("module_output_name")) == ("sentence_embedding", "scores")
    return DenseModule(
        type=dotted,
        path=path,
        in_features=_size(config, "in_features", file),
        out_features=_size(config, "out_features", file),
        bias=bool(config.get("bias", True)),
        activation=activation,
        use_residual=bool(config.get("use_residual", False)),
        on_tokens=not scores and (dotted.startswith("pylate.") or _on_tokens(config, file)),
        scores=scores,
    )


def _router(dotted: str, path: str, root: Path, folder: Path) -> RouterModule:
    """Read `router_config.json`, whose keys are folders below the router's.

    Source: `Router.load` and its constructor in sentence-transformers 6.2. The file of older versions (`Asym`), which
    is called config.json, is not read.
    """
    file = folder / "router_config.json"
    config = read_object(file)
    types, structure, parameters = (config.get(key) for key in ("types", "structure", "parameters"))
    if not isinstance(types, dict) or not isinstance(structure, dict) or not isinstance(parameters, dict):
        raise CheckpointError(f"{file} must hold the objects 'types', 'structure' and 'parameters' of a router.")
    known = all(isinstance(names, list) and names and set(names) <= set(types) for names in structure.values())
    if not structure or not known or not all(isinstance(kind, str) for kind in types.values()):
        raise CheckpointError(f"{file}: every route of the structure must list modules that types has.")
    built = {name: read_module(root, {"type": kind, "path": _below(path, name)}) for name, kind in types.items()}
    default = parameters.get("default_route")
    if default is None and parameters.get("allow_empty_key", True):
        default = next(iter(structure))
    return RouterModule(
        type=dotted,
        path=path,
        routes={name: tuple(built[part] for part in parts) for name, parts in structure.items()},
        default=default,
        mappings=parameters.get("route_mappings") or {},
    )


def _below(folder: str, name: str) -> str:
    return f"{folder}/{name}" if folder and name else folder or name


def _on_tokens(config: Mapping[str, Any], file: Path) -> bool:
    source = config.get("module_input_name", "sentence_embedding")
    target = config.get("module_output_name") or source
    if source not in ("sentence_embedding", "token_embeddings") or target != source:
        raise CheckpointError(
            f"{file} reads {source!r} and writes {target!r}; only a module that works on 'sentence_embedding' or on "
            "'token_embeddings' in place can be built."
        )
    return bool(source == "token_embeddings")


def _size(config: Mapping[str, Any], key: str, file: Path) -> int:
    value = config.get(key)
    if not isinstance(value, int) or isinstance(value, bool) or value <= 0:
        raise CheckpointError(f"{file}: {key} must be a positive integer, found {value!r}.")
    return value
