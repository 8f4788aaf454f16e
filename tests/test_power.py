"""`toktrial power`, called as a user calls it."""

import pytest

from toktrial import commands
from toktrial.commands.power import Question, answer, describe_noise, power_rows
from toktrial.errors import TrialError
from toktrial.report.noise import Noise


def test_a_noise_given_by_hand(capsys: pytest.CaptureFixture[str]) -> None:
    commands.execute(["power", "--noise", "0.5", "--effect", "1"])
    said = capsys.readouterr().out
    assert "To find a difference of 1% in 80% of trials, at 95% confidence, takes 5 seeds." in said
    assert "1.63%" in said  # what three seeds find


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "name the folder of a trial"),
        (["trial", "--noise", "1"], "one of the two"),
        (["--noise", "0"], "--noise must be a percentage above 0, but is 0.0"),
        (["--noise", "1", "--effect", "nan"], "--effect must be a percentage above 0"),
        (["--noise", "1", "--power", "100"], "--power must be a percentage from 50 to below 100"),
        (["--noise", "1", "--confidence", "1"], "--confidence must lie between 0 and 1"),
        (["nowhere"], r"nowhere/protocol\.toml is missing"),
    ],
)
def test_mistakes_are_named(arguments: list[str], message: str) -> None:
    with pytest.raises(TrialError, match=message):
        commands.execute(["power", *arguments])


def test_the_table_goes_from_two_seeds_to_ten() -> None:
    rows = power_rows(Question(0.01, 0.005, None, 0.8, 0.95))
    assert [row[0] for row in rows] == [str(seeds) for seeds in range(2, 11)]
    assert rows[1] == ["3", "1.63%", "47.1%"]


def test_a_noise_from_few_seeds_gives_a_range_of_answers() -> None:
    said = answer(Question(0.01, 0.005, (0.0026, 0.0314), 0.8, 0.95))
    assert said.endswith(
        "takes 5 seeds. At the ends of the noise's interval: 3 seeds, and 80 seeds. Few pairs measure noise badly."
    )
    assert "more than 1,000 seeds" in answer(Question(0.0001, 0.005, None, 0.8, 0.95))


def test_where_the_noise_comes_from_is_said() -> None:
    noise = Noise("btm", "tracks", 3, 2, 0.0061, 0.0032, 0.0384, 1.1337)
    assert describe_noise(noise, "bpe", 0.95) == (
        "Noise: the differences of btm and bpe deviate by 0.0061 bits per byte (0.54% of bpe's 1.1337), over 3 pairs of runs; "
        "its 95% interval is 0.0032 to 0.0384."
    )
    control = describe_noise(Noise("bpe", "control", 1, 1, 0.02, 0.009, 0.6, 1.5), "bpe", 0.95)
    assert "bpe trained twice differs by 0.0200" in control
    assert control.endswith("It bounds the noise of a pair from above where the other track is no noisier than the baseline.")
