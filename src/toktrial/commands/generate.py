"""`toktrial generate`: a finished run continues prompts, and the text appears as it is written. Changes nothing.

What a model writes is not to be trusted, so its control characters reach the terminal only as escapes.
"""

import codecs
import sys
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import tyro

from toktrial import progress
from toktrial.commands import Call
from toktrial.commands.terminal import utf8_length
from toktrial.finished_run import FinishedRun, open_finished_run
from toktrial.progress import printable

if TYPE_CHECKING:
    from toktrial.evaluation.config import EvaluationConfig
    from toktrial.evaluation.healing import EntryTable

LARGEST_UNSAID_CUT = 1e-6  # of the probability: the rounding of float32 logits changes as much


@dataclass(frozen=True)
class Generate(Call):
    """Continues prompts with the model of a finished run. Flags that are not given are as in the trial's own evaluation."""

    run: Path
    """Folder of a finished run, such as trials/demo/runs/bpe/seed-1."""
    prompt: tyro.conf.UseAppendAction[tuple[str, ...]] = ()
    """Text to continue; give the flag again for another one. Without it: the trial's own prompts."""
    temperature: float | None = None
    """Sampling temperature; 0 always takes the likeliest token. The prompt's healed end is drawn at temperature 1."""
    top_k: int | None = None
    """Sample among this many of the likeliest tokens; 0: among all."""
    top_p: float | None = None
    """Sample among the fewest likeliest tokens that hold this share of the probability; 1: among all."""
    seed: int | None = None
    """Seed of the sampling."""
    max_new_bytes: int | None = None
    """Stop at the token that reaches this many bytes, unless the model ends the document sooner."""
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    """Where to compute. `auto`: CUDA if there is one, else MPS, else the CPU."""

    def execute(self) -> None:
        """Writes every prompt and what follows it.

        Raises TrialError where the run cannot be opened (see `open_finished_run`), a value is out of range, the machine lacks
        the device, or UTF-8 cannot hold a prompt.
        """
        for number, prompt in enumerate(self.prompt, start=1):
            utf8_length(prompt, f"prompt {number}")
        run = open_finished_run(self.run)
        evaluation = run.trial.protocol.evaluation
        asked = vars(self) | {"sample_seed": self.seed}
        given = {item.name: asked[item.name] for item in fields(evaluation) if asked.get(item.name) is not None}
        settings = replace(evaluation, **given)
        from toktrial.evaluation.healing import EntryTable
        from toktrial.training.device import resolve_device

        run.model.to(resolve_device(self.device, "--device"))
        entries = EntryTable(run.tokenizer.token_bytes)
        try:
            for place, prompt in enumerate(self.prompt or settings.prompts):
                if place:
                    _write("\n")
                _write_continuation(run, entries, prompt, place, settings)
        except KeyboardInterrupt:  # the usual way to stop a text that one has read enough of
            _write("\n")
            raise SystemExit(130) from None


def _write_continuation(run: FinishedRun, entries: "EntryTable", prompt: str, place: int, settings: "EvaluationConfig") -> None:
    """Writes a prompt and, token by token, what follows it. A character appears once all its bytes are there."""
    from toktrial.evaluation.generation import begin_continuation, grow

    decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
    _write(prompt)
    continuation = begin_continuation(run.model, run.tokenizer, entries, prompt, settings.sample_seed, place)
    _write(decoder.decode(continuation.said))
    shown_bytes = len(continuation.said)
    for _ in grow(run.model, run.tokenizer, [continuation], settings):
        _write(decoder.decode(continuation.said[shown_bytes:]))
        shown_bytes = len(continuation.said)
    _write(decoder.decode(b"", final=True) + "\n")
    if not continuation.ended:
        progress.print_line(f"[cut after {shown_bytes:,} bytes; --max-new-bytes allows more]")
    if continuation.healing_cut_share > LARGEST_UNSAID_CUT:
        progress.print_line(
            "[the prompt's end can be spelled in very many ways: some of them, with about "
            f"{continuation.healing_cut_share:.2%} of the probability, were left out]"
        )


def _write(text: str) -> None:
    sys.stdout.write(printable(text))
    sys.stdout.flush()
