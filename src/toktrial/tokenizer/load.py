"""Which class makes the tokenizers of a recipe: to learn one, and to read a saved one back."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from toktrial import artifact
from toktrial.errors import TrialError, nearest_name
from toktrial.tokenizer.base import Tokenizer
from toktrial.tokenizer.boundless import BoundlessBPETokenizer
from toktrial.tokenizer.bpe import BPETokenizer
from toktrial.tokenizer.btm import BTMTokenizer, SuperBPETokenizer
from toktrial.tokenizer.config import PrimitiveRecipe, Recipe
from toktrial.tokenizer.file import FileTokenizer
from toktrial.tokenizer.foreign import ForeignTokenizer
from toktrial.tokenizer.longest_match import TKNTokenizer
from toktrial.tokenizer.single_bytes import BytesTokenizer
from toktrial.tokenizer.unigram import UnigramTokenizer

_CLASSES: tuple[type[Tokenizer], ...] = (
    BPETokenizer,
    BTMTokenizer,
    SuperBPETokenizer,
    TKNTokenizer,
    BoundlessBPETokenizer,
    BytesTokenizer,
    UnigramTokenizer,
    FileTokenizer,
    ForeignTokenizer,
)
KINDS = {kind.recipe: kind for kind in _CLASSES}


def train(recipe: Recipe, documents: Iterable[str], **given: Any) -> Tokenizer:
    """Learns the tokenizer of any recipe but `file`, which has the size that it asks for.

    given: what the `train` of its class takes beside the recipe's own fields, such as `primitive` and `show`.
    """
    kind: Any = KINDS[recipe.recipe]
    primitives = {"primitive_vocab_size": recipe.primitive_vocab_size} if isinstance(recipe, PrimitiveRecipe) else {}
    tokenizer: Tokenizer = kind.train(documents, recipe.vocab_size, **(primitives | recipe.rule | given))
    return tokenizer


def load_tokenizer(folder: Path | str) -> Tokenizer:
    """Returns the tokenizer that `save` wrote. Raises TrialError if the folder holds none, or a damaged one."""
    folder = Path(folder)
    recipe = artifact.read_manifest(folder).get("recipe")
    if recipe not in KINDS:
        hint = nearest_name(str(recipe), KINDS)
        raise TrialError(f"{folder} does not hold a tokenizer of toktrial; its manifest says recipe = {recipe!r}: {hint}")
    try:
        artifact.check_files(folder)
        return KINDS[recipe].read_files(folder)
    except TrialError:
        raise
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise TrialError(f"the tokenizer in {folder} cannot be read ({error}): make it again") from None
