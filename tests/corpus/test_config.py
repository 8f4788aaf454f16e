"""The corpus config: settings that no protocol could record are refused when they are made."""

import dataclasses
from typing import Any

import pytest

from toktrial.corpus.config import CorpusConfig
from toktrial.errors import TrialError

TEXT_SETTINGS = [field.name for field in dataclasses.fields(CorpusConfig) if field.type is str]


def config_with(name: str, value: str) -> CorpusConfig:
    settings: dict[str, Any] = {name: value}
    return CorpusConfig(**settings)


def test_the_settings_that_name_and_split_sources_are_text() -> None:
    assert {"path", "validation_path", "separator"} <= set(TEXT_SETTINGS)


@pytest.mark.parametrize("name", TEXT_SETTINGS)
@pytest.mark.parametrize("surrogate", ["\ud800", "\udce4", "\udfff"])
def test_a_lone_surrogate_is_refused_by_the_name_of_its_setting(name: str, surrogate: str) -> None:
    with pytest.raises(TrialError, match=rf"corpus\.{name} must be text that UTF-8 can hold") as raised:
        config_with(name, f"m{surrogate}rchen")
    assert str(raised.value).encode(), "the message itself must be printable"


@pytest.mark.parametrize("name", TEXT_SETTINGS)
def test_letters_of_any_script_are_accepted(name: str) -> None:
    text = "märchen 物語 🦊 \ud7ff\ue000"
    assert getattr(config_with(name, text), name) == text
