"""The real MiniLM, loaded once; nothing is looked up in the network."""

import socket
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vane.embedding import BUNDLED_MODEL, DIMENSIONS, Encode, load_encoder
from vane.errors import SettingError

look_up = socket.getaddrinfo


def only_here(host: str, *others: Any, **more: Any) -> Any:
    """A thread of another test may still look for a server on this machine."""
    assert host == "127.0.0.1", f"looked up {host}"
    return look_up(host, *others, **more)


@pytest.fixture(scope="session")
def encode() -> Encode:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("socket.getaddrinfo", only_here)
        return load_encoder(BUNDLED_MODEL, 8)


def test_texts_become_unit_rows_in_their_order(encode: Encode) -> None:
    texts = ["a long text about the history of France " * 9, "cat", "kitten", "tax law"]
    rows = encode(texts)
    assert rows.shape == (4, DIMENSIONS)
    assert rows.dtype == np.float32
    assert np.linalg.norm(rows, axis=1) == pytest.approx(1, abs=1e-5)
    assert rows[1] @ rows[2] > 0.7
    assert rows[1] @ rows[3] < 0.3
    assert encode(texts[::-1])[::-1] == pytest.approx(rows, abs=1e-5)


def test_a_batch_holds_texts_of_like_many_tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    # imported here, as it takes seconds that the collection of other tests should not wait for
    from sentence_transformers import SentenceTransformer  # noqa: PLC0415

    batches, original = [], SentenceTransformer.encode

    def noted(network: SentenceTransformer, texts: list[str], **options: Any) -> Any:
        batches.append(set(texts))
        return original(network, texts, **options)

    long_words, many_tokens = ["international", "communication"], ["a b c d e", "1 2 3 4 5"]
    assert min(map(len, long_words)) > max(map(len, many_tokens))
    encode_pairs = load_encoder(BUNDLED_MODEL, 2)
    monkeypatch.setattr(SentenceTransformer, "encode", noted)
    encode_pairs([long_words[0], many_tokens[0], long_words[1], many_tokens[1], "cat", "a b"])
    assert sorted(map(sorted, batches)) == sorted(
        map(sorted, [many_tokens, ["a b", long_words[0]], [long_words[1], "cat"]])
    )


def test_an_unknown_model_is_a_setting_error(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match=f"VANE_EMBEDDING_MODEL.*{BUNDLED_MODEL}"):
        load_encoder(str(tmp_path), 8)


def test_a_model_of_another_dimension_is_refused_at_start(tmp_path: Path) -> None:
    # imported here, as it takes seconds that the collection of other tests should not wait for
    from sentence_transformers import SentenceTransformer  # noqa: PLC0415
    from sentence_transformers.sentence_transformer.modules import StaticEmbedding  # noqa: PLC0415
    from tokenizers import Tokenizer  # noqa: PLC0415
    from tokenizers.models import WordLevel  # noqa: PLC0415

    words = Tokenizer(WordLevel({"a": 0, "[UNK]": 1}, unk_token="[UNK]"))
    SentenceTransformer(modules=[StaticEmbedding(words, embedding_dim=16)]).save(str(tmp_path))
    with pytest.raises(SettingError, match="384 dimensions; this one has 16"):
        load_encoder(str(tmp_path), 8)
