"""The side files of Sentence-Transformers, in every form found in the wild."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer import modules as st_modules

from cenote.checkpoints import (
    DenseModule,
    LayerNormModule,
    NormalizeModule,
    PoolingModule,
    SentenceTransformersFiles,
    TransformerModule,
    open_checkpoint,
)
from cenote.errors import CheckpointError

WriteJson = Callable[[Path, Any], None]


def _read(folder: Path) -> SentenceTransformersFiles:
    files = open_checkpoint(str(folder)).sentence_transformers
    assert files is not None
    return files


@pytest.fixture
def pipeline(bert: Path, write_json: WriteJson) -> Callable[..., Path]:
    """Write `modules.json` from dotted names, and configs of the modules by folder."""

    def write(*types: str, **configs: Any) -> Path:
        paths = ["", *(f"{i}_{name.rsplit('.', 1)[-1]}" for i, name in enumerate(types[1:], 1))]
        entries = [
            {"idx": i, "name": str(i), "path": path, "type": name}
            for i, (path, name) in enumerate(zip(paths, types, strict=True))
        ]
        write_json(bert / "modules.json", entries)
        for path in paths[1:]:
            config = configs.get(path.split("_", 1)[1].lower())
            if config is not None:
                write_json(bert / path / "config.json", config)
        return bert

    return write


OLD = "sentence_transformers.models."


@pytest.mark.parametrize(
    ("transformer", "pooling", "dense", "normalize"),
    [
        (f"{OLD}Transformer", f"{OLD}Pooling", f"{OLD}Dense", f"{OLD}Normalize"),
        (f"{OLD}Transformer.Transformer", f"{OLD}Pooling.Pooling", f"{OLD}Dense.Dense", f"{OLD}Normalize.Normalize"),
        (
            "sentence_transformers.base.modules.transformer.Transformer",
            "sentence_transformers.sentence_transformer.modules.pooling.Pooling",
            "sentence_transformers.base.modules.dense.Dense",
            "sentence_transformers.base.modules.normalize.Normalize",
        ),
        (
            "custom_st.Transformer",
            "sentence_transformers.sentence_transformer.modules.Pooling",
            "pylate.models.Dense.Dense",
            "sentence_transformers.sentence_transformer.modules.normalize.Normalize",
        ),
    ],
    ids=["old", "doubled", "new", "mixed"],
)
def test_every_spelling_of_the_classes_is_known(
    transformer: str, pooling: str, dense: str, normalize: str, pipeline: Callable[..., Path]
) -> None:
    folder = pipeline(
        transformer,
        pooling,
        dense,
        normalize,
        pooling={"pooling_mode": "mean", "embedding_dimension": 16},
        dense={"in_features": 16, "out_features": 4},
    )
    kinds = [type(module) for module in _read(folder).modules]
    assert kinds == [TransformerModule, PoolingModule, DenseModule, NormalizeModule]
    assert open_checkpoint(str(folder)).module_types() == (transformer, pooling, dense, normalize)


@pytest.mark.parametrize(
    ("config", "methods"),
    [
        ({"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False}, ("CLS",)),
        ({"pooling_mode_lasttoken": True}, ("LAST",)),
        ({"pooling_mode_weightedmean_tokens": True}, ("WEIGHTED_MEAN",)),
        ({"pooling_mode_mean_sqrt_len_tokens": True}, ("MEAN_SQRT_LEN",)),
        # sentence-transformers concatenates in an order of its own, not in that of the file
        ({"pooling_mode_mean_tokens": True, "pooling_mode_max_tokens": True}, ("MAX", "MEAN")),
        ({"pooling_mode_mean_tokens": True, "pooling_mode_cls_token": True}, ("CLS", "MEAN")),
        ({"word_embedding_dimension": 16}, ("MEAN",)),
        ({"pooling_mode_cls_token": False}, ("MEAN",)),
        ({"pooling_mode": "lasttoken"}, ("LAST",)),
        ({"pooling_mode": ["mean", "cls"]}, ("MEAN", "CLS")),
        ({"pooling_mode": "cls", "pooling_mode_mean_tokens": True}, ("CLS",)),
    ],
    ids=str,
)
def test_pooling_configs_old_and_new(config: Any, methods: tuple[str, ...], pipeline: Callable[..., Path]) -> None:
    module = _read(pipeline(f"{OLD}Transformer", f"{OLD}Pooling", pooling=config)).pooling
    assert module is not None
    assert module.methods == methods
    assert module.include_prompt is True


def test_include_prompt_is_read(pipeline: Callable[..., Path]) -> None:
    config = {"pooling_mode_mean_tokens": True, "include_prompt": False, "word_embedding_dimension": 16}
    module = _read(pipeline(f"{OLD}Transformer", f"{OLD}Pooling", pooling=config)).pooling
    assert module is not None
    assert (module.include_prompt, module.dimension) == (False, 16)


@pytest.mark.parametrize("config", [{"pooling_mode": "median"}, {"pooling_mode": []}, {"pooling_mode": 3}, []], ids=str)
def test_unknown_pooling_is_an_error(config: Any, pipeline: Callable[..., Path]) -> None:
    with pytest.raises(CheckpointError, match="1_Pooling"):
        _read(pipeline(f"{OLD}Transformer", f"{OLD}Pooling", pooling=config))


def test_a_missing_pooling_config_is_an_error(pipeline: Callable[..., Path]) -> None:
    with pytest.raises(CheckpointError, match="1_Pooling"):
        _read(pipeline(f"{OLD}Transformer", f"{OLD}Pooling"))


@pytest.mark.parametrize("name", ["WeightedLayerPooling", "CNN", "LSTM", "Router", "Asym", "BoW"])
def test_a_module_that_cannot_be_built_is_named_and_not_left_out(name: str, pipeline: Callable[..., Path]) -> None:
    files = _read(pipeline(f"{OLD}Transformer", f"{OLD}{name}"))
    with pytest.raises(CheckpointError, match=f"models.{name}"):
        _ = files.modules
    assert len(files.pipeline) == 2  # a plugin may still read it


def test_dense_configs_in_full(pipeline: Callable[..., Path]) -> None:
    config = {
        "in_features": 16,
        "out_features": 4,
        "bias": False,
        "activation_function": "torch.nn.modules.linear.Identity",
        "use_residual": True,
        "module_input_name": "token_embeddings",
        "module_output_name": None,
    }
    files = _read(pipeline(f"{OLD}Transformer", f"{OLD}Dense", dense=config))
    assert files.modules[1] == DenseModule(
        type=f"{OLD}Dense",
        path="1_Dense",
        in_features=16,
        out_features=4,
        bias=False,
        activation="torch.nn.modules.linear.Identity",
        use_residual=True,
        on_tokens=True,
    )


@pytest.mark.parametrize(
    "entries",
    [
        {"in_features": 0},
        {"in_features": True},
        {"in_features": "16"},
        {"out_features": None},
        {"activation_function": "os.system"},
        {"activation_function": "torch.load"},
        {"activation_function": None},
        {"module_input_name": "elsewhere"},
        {"module_output_name": "token_embeddings"},
    ],
    ids=str,
)
def test_dense_configs_that_cannot_be_built_are_errors(entries: Any, pipeline: Callable[..., Path]) -> None:
    config = {"in_features": 16, "out_features": 4} | entries
    with pytest.raises(CheckpointError, match="1_Dense"):
        _read(pipeline(f"{OLD}Transformer", f"{OLD}Dense", dense=config))


def test_prompts_and_settings_are_read(bert: Path, write_json: WriteJson) -> None:
    settings = {
        "prompts": {"query": "q: ", "document": "", "none": None},
        "default_prompt_name": "query",
        "similarity_fn_name": "dot",
        "truncate_dim": 8,
        "query_length": 32,
    }
    write_json(bert / "config_sentence_transformers.json", settings)
    write_json(bert / "sentence_bert_config.json", {"max_seq_length": 20, "do_lower_case": True})
    files = _read(bert)
    assert files.prompts == {"query": "q: ", "document": "", "none": ""}
    assert (files.default_prompt_name, files.similarity_fn_name, files.truncate_dim) == ("query", "dot", 8)
    assert (files.max_seq_length, files.do_lower_case) == (20, True)
    assert files.settings["query_length"] == 32
    assert files.modules == ()


@pytest.mark.parametrize("family", ["roberta", "distilbert", "camembert", "albert", "xlm-roberta", "xlnet"])
def test_the_length_file_has_several_names(family: str, bert: Path, write_json: WriteJson) -> None:
    write_json(bert / f"sentence_{family}_config.json", {"max_seq_length": 20})
    assert _read(bert).max_seq_length == 20


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("config_sentence_transformers.json", {"default_prompt_name": "query"}),
        ("config_sentence_transformers.json", {"prompts": ["a"]}),
        ("config_sentence_transformers.json", {"prompts": {"a": 1}}),
        ("config_sentence_transformers.json", {"truncate_dim": "8"}),
        ("config_sentence_transformers.json", []),
        ("sentence_bert_config.json", {"max_seq_length": -1}),
        ("sentence_bert_config.json", {"max_seq_length": 12.5}),
        ("modules.json", {}),
        ("modules.json", [3]),
        ("modules.json", [{"path": "x"}]),
        ("modules.json", [{"type": f"{OLD}Transformer", "path": "../elsewhere"}]),
        ("modules.json", [{"type": f"{OLD}Transformer", "path": 3}]),
    ],
    ids=str,
)
def test_side_files_of_another_form_are_errors(name: str, value: Any, bert: Path, write_json: WriteJson) -> None:
    write_json(bert / name, value)
    with pytest.raises(CheckpointError):
        _read(bert)


def test_an_old_checkpoint_keeps_its_backbone_in_a_folder(bert: Path, write_json: WriteJson) -> None:
    root = bert.parent / "old"
    root.mkdir()
    bert.rename(root / "0_Transformer")
    write_json(root / "0_Transformer" / "sentence_bert_config.json", {"max_seq_length": 20})
    write_json(root / "modules.json", [{"type": f"{OLD}Transformer", "path": "0_Transformer"}])
    found = open_checkpoint(str(root))
    assert found.model_type == "bert"
    assert found.backbone_path == root / "0_Transformer"
    assert found.sentence_transformers is not None
    assert found.sentence_transformers.max_seq_length == 20
    assert found.has_tensor("embeddings.word_embeddings.weight")


def test_what_sentence_transformers_saves_is_understood(bert: Path, tmp_path: Path) -> None:
    modules = [
        st_modules.Transformer(str(bert)),
        st_modules.Pooling(16, ("mean", "cls")),
        st_modules.Dense(32, 8),
        st_modules.Dropout(0.1),
        st_modules.LayerNorm(8),
        st_modules.Normalize(),
    ]
    model = SentenceTransformer(modules=modules, prompts={"query": "q: "}, default_prompt_name="query", device="cpu")
    model.max_seq_length = 20
    model.save(str(tmp_path / "saved"), create_model_card=False)
    files = _read(tmp_path / "saved")
    kinds = [type(module) for module in files.modules]
    assert kinds == [TransformerModule, PoolingModule, DenseModule, LayerNormModule, NormalizeModule]
    assert files.pooling is not None
    assert files.pooling.methods == ("MEAN", "CLS")
    assert files.has_normalize
    assert files.default_prompt_name == "query"
    dense = files.modules[2]
    assert isinstance(dense, DenseModule)
    assert dense.activation == "torch.nn.modules.activation.Tanh"
    assert set(open_checkpoint(str(tmp_path / "saved")).read_tensors(dense.path)) == {"linear.weight", "linear.bias"}
