"""What is measured of a trained model, and the prompts that it continues. Imports nothing heavy."""

from dataclasses import dataclass

from toktrial.errors import TrialError, check_numbers

# The research plan's own two prompts, then fourteen that a children's story could open with.
PROMPTS = (
    "Once upon a time, there was a knight who said to the dragon,",
    "The recipe is as follows: first, you take an egg and",
    "One day, a little girl named Lily went to the park with her mom. She saw",
    "Tom and his sister Mia were playing in the garden when",
    "The sun was shining and the birds were singing. The old dog",
    '"I am not afraid of the dark," said the boy. But when the light went out,',
    "There was once a small boat that wanted to see the sea. Every morning",
    "Ben had a red ball. His friend Sam wanted to play with it, so",
    "It was raining all day, and the children could not go outside. They decided to",
    "The cat looked at the bird and the bird looked at the cat. Then",
    "Grandma baked a big cake for the party, but",
    "In the forest there lived a shy bear who had no friends. One morning",
    '"Can you help me?" asked the little mouse. The elephant',
    "Anna found a shiny key under the tree. She wondered",
    "Max broke his mother's favorite cup. He felt",
    "At the end of the day, they all sat together and",
)


@dataclass(frozen=True)
class EvaluationConfig:
    """What is measured during training and after it."""

    eval_documents: int = 256
    """Validation documents that every curve is measured on: those with the lowest hashes, the same for all tracks."""
    prompts: tuple[str, ...] = PROMPTS
    """Texts that every trained model continues."""
    max_new_bytes: int = 400
    """A sample ends at the token that reaches this many bytes, or where the model ends the document."""
    temperature: float = 0.8
    """Sampling temperature; 0 always takes the likeliest token. The prompt's healed end is drawn at temperature 1."""
    top_k: int = 50
    """Sample from this many of the likeliest tokens; 0: from all."""
    top_p: float = 1.0
    """Sample from the fewest likeliest tokens that hold this share of the probability; 1: from all."""
    sample_seed: int = 0
    """Seed of the sampling."""
    minimal_pairs: str = ""
    """Folder of BLiMP's jsonl files, whose pairs of sentences every trained model judges; empty: no such folder."""
    marginal: int = 0
    """Validation documents, those of the curves first, whose probability is summed over all cuts of the text into entries, to
    compare it with the tokenizer's own cut; 0: none. It takes a run as long as scoring 10 to 50 times as many documents."""

    def __post_init__(self) -> None:
        least = {"eval_documents": 1, "max_new_bytes": 1, "temperature": 0, "top_k": 0, "marginal": 0}
        check_numbers("evaluation", self, least)
        if not 0 < self.top_p <= 1:
            raise TrialError(f"evaluation.top_p must be above 0 and at most 1, but is {self.top_p}")
        if any(not prompt for prompt in self.prompts):
            raise TrialError("evaluation.prompts contains an empty prompt: remove it")
