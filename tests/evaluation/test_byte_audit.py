"""The audit finds every wrong byte count, and none where there is none."""

import hashlib
import json
import math
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toktrial import artifact
from toktrial.corpus.documents import Documents
from toktrial.evaluation.byte_audit import ByteAudit, audit_runs, audit_split, text_sha256
from toktrial.evaluation.run_files import DOCUMENT_NATS_FILE, FINAL_FILE
from toktrial.tokenizer.base import Tokenizer
from toktrial.tokens.store import TokenSplit

TEXTS = ["Once upon a time, there was a dog.", "", "Ünï¢ode 🐶 and <|endoftext|>"]


@pytest.mark.parametrize("track", ["bpe", "btm"])
@settings(max_examples=30, deadline=None)
@given(texts=st.lists(st.text(st.characters(codec="utf-8"), min_size=1), min_size=1, max_size=4))
def test_whatever_is_encoded_passes(track: str, texts: list[str], story_tokenizers: dict[str, Tokenizer]) -> None:
    tokenizer = story_tokenizers[track]
    audit = audit_split(Documents.of(texts), TokenSplit.of_texts(texts, tokenizer), tokenizer.token_bytes)
    size = sum(len(text.encode()) for text in texts)
    assert audit.wrong_documents == 0
    assert (audit.documents, audit.text_bytes, audit.recorded_bytes, audit.spelled_bytes) == (len(texts), size, size, size)
    assert audit.tokens == sum(map(len, tokenizer.encode_batch(texts)))


def test_every_kind_of_wrong_count_is_a_fault(story_tokenizers: dict[str, Tokenizer]) -> None:
    tokenizer = story_tokenizers["btm"]
    right = TokenSplit.of_texts(TEXTS, tokenizer)
    other_ids, other_lengths = right.ids.copy(), right.byte_lengths.copy()
    other_ids[0] = tokenizer.encode("X")[0]
    other_lengths[2] += 1  # as where a cut character counts as the three bytes of U+FFFD
    same_length = right.ids.copy()
    same_length[0] = next(
        token
        for token, entry in enumerate(tokenizer.token_bytes)
        if token != right.ids[0] and len(entry) == len(tokenizer.token_bytes[right.ids[0]])
    )
    for split in (replace(right, ids=other_ids), replace(right, byte_lengths=other_lengths), replace(right, ids=same_length)):
        audit = audit_split(Documents.of(TEXTS), split, tokenizer.token_bytes)
        assert audit.wrong_documents == 1
        assert ByteAudit({}, {"btm": {"validation": audit}}, {}).faults() == ["track btm misspells 1 validation documents"]
    with pytest.raises(ValueError, match="the corpus has 2 documents, but the token files 3"):
        audit_split(Documents.of(TEXTS[:2]), right, tokenizer.token_bytes)


def test_bits_per_byte_are_computed_from_the_corpus_bytes(tmp_path: Path) -> None:
    np.save(tmp_path / DOCUMENT_NATS_FILE, np.array([2.0, 4.0]) * math.log(2))
    artifact.write_json(tmp_path / FINAL_FILE, {"bits_per_byte": 2.0})
    run = audit_runs({"bpe/seed-1": tmp_path}, 3)["bpe/seed-1"]
    assert run.reported == 2.0
    assert run.recomputed == pytest.approx(2.0)
    runs = audit_runs({"bpe/seed-1": tmp_path}, 4)
    (fault,) = ByteAudit({}, {}, runs).faults()
    assert fault == "run bpe/seed-1 reports 2.0 bits per byte, but its documents' nats give 1.5"
    assert json.loads(json.dumps(asdict(ByteAudit({}, {}, runs))))["runs"]["bpe/seed-1"]["reported"] == 2.0


def test_the_checksum_of_a_text_tells_where_documents_end() -> None:
    assert text_sha256(Documents.of(["ab", "c"])) == hashlib.sha256(b'"ab"\n"c"\n').hexdigest()
    assert text_sha256(Documents.of(["ab", "c"])) != text_sha256(Documents.of(["a", "bc"]))
    assert text_sha256(Documents.of(["a\n", "b"])) != text_sha256(Documents.of(["a", "\nb"]))
