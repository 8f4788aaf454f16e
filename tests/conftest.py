"""Fixtures that several test folders share."""

import json
import os
import shutil
import signal
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser

    from toktrial.corpus.documents import Documents
    from toktrial.protocol import Protocol
    from toktrial.tokenizer.base import Tokenizer
    from toktrial.trial import Trial

REPOSITORY = Path(__file__).resolve().parent.parent
# One thread for torch, here and in children: rounding depends on how many there are, and small models need no more. Set here,
# before any test module or folder's conftest imports torch, which reads it then.
os.environ["OMP_NUM_THREADS"] = "1"
# Clusters of Ray that tests begin take orders from these tests alone. Ray reads this when it is imported.
os.environ |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": uuid.uuid4().hex + uuid.uuid4().hex}
MadeOnce = Callable[[str, Callable[[Path], None]], Path]
CHROMIUMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


@pytest.fixture(scope="session", autouse=True)
def ctrl_c_reaches_the_children() -> None:
    """A shell starts what it runs in the background with SIGINT ignored, and children of pytest would inherit that."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def tiny_protocol() -> "Protocol":
    """A protocol that runs in seconds, for tests to change by `dataclasses.replace`."""
    from toktrial import presets
    from toktrial.tokenizer.config import BPERecipe, BTMRecipe
    from toktrial.training.config import ModelConfig

    demo = presets.demo()
    return replace(
        demo,
        name="tiny",
        seeds=2,
        vocab_size=500,
        corpus=replace(demo.corpus, max_megabytes=0.3, validation_share=0.05),
        tracks={"bpe": BPERecipe(), "btm": BTMRecipe(primitive_vocab_size=400)},
        model=ModelConfig(n_layer=1, n_head=2, width=32, context=32),
        training=replace(demo.training, batch_size=4, steps=20, warmup_steps=2, log_every=10, checkpoint_every=10),
        evaluation=replace(demo.evaluation, eval_documents=5, prompts=("Once upon a time", "One day, a"), max_new_bytes=30),
    )


@pytest.fixture(scope="session")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> MadeOnce:
    """Gives a folder that takes long to make: the first worker that asks makes it, and each gets a copy of its own."""
    of_all_workers = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        of_all_workers = of_all_workers.parent

    def copy_of(name: str, make: Callable[[Path], None]) -> Path:
        from filelock import FileLock

        made, done = of_all_workers / name, of_all_workers / f"{name}.made"
        with FileLock(of_all_workers / f"{name}.lock"):
            if not done.exists():
                shutil.rmtree(made, ignore_errors=True)  # what another worker could not finish
                made.mkdir()
                make(made)
                done.touch()
        return shutil.copytree(made, tmp_path_factory.mktemp("copies") / name)

    return copy_of


@pytest.fixture(scope="session")
def finished(made_once: MadeOnce, tiny_protocol: "Protocol") -> "Trial":
    """A whole trial of the tiny protocol. Tests that change it make a copy first."""
    from toktrial.trial import Trial

    def make(folder: Path) -> None:
        Trial(folder, tiny_protocol).report()

    return Trial(made_once("tiny", make), tiny_protocol)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real text: TOKTRIAL_DATA, else ../shared/data; without it the test is skipped."""
    folder = Path(os.environ.get("TOKTRIAL_DATA", REPOSITORY.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip("no real text here: set TOKTRIAL_DATA to a folder with tinystories/train.txt and valid.txt")
    return folder


@pytest.fixture(scope="session")
def golden_merges(shared_data: Path) -> list[dict[str, Any]]:
    """Worked merge cases: primitives, documents, expected merges, every document after them."""
    path = shared_data.parent / "golden" / "merges.json"
    if not path.is_file():
        pytest.skip("no golden merge cases beside the real text")
    cases: list[dict[str, Any]] = json.loads(path.read_text())
    return cases


@pytest.fixture(scope="session")
def browser() -> "Iterator[Browser]":
    """The machine's own Chromium, without a window: TOKTRIAL_CHROMIUM, else the first of CHROMIUMS; else skipped.

    Open pages by `browser.new_page(...)` and close them: each has its own storage and its own emulated screen.
    """
    named = os.environ.get("TOKTRIAL_CHROMIUM")
    found = named or next(filter(None, map(shutil.which, CHROMIUMS)), None)
    if found is None:
        pytest.skip("no Chromium here: install the package `chromium`, or set TOKTRIAL_CHROMIUM to one")
    from playwright.sync_api import sync_playwright

    # Chromium's sandbox refuses to start as root, which is who tests in a container are; the pages are our own.
    with sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=found, chromium_sandbox=os.geteuid() != 0)
        yield chromium
        chromium.close()


@pytest.fixture(scope="session")
def story_documents() -> "dict[str, Documents]":
    """A small storybook corpus, cut in two by place: the splits that tokens are written of."""
    from toktrial.corpus.documents import Documents
    from toktrial.corpus.storybook import stories

    texts = list(stories(100_000))
    return {"train": Documents.of(texts[:-20]), "validation": Documents.of(texts[-20:])}


@pytest.fixture(scope="session")
def story_tokenizers(story_documents: "dict[str, Documents]") -> "dict[str, Tokenizer]":
    """A tokenizer of either recipe, learned from that corpus; 600 entries each."""
    from toktrial.tokenizer.bpe import BPETokenizer
    from toktrial.tokenizer.btm import BTMTokenizer

    train = story_documents["train"]
    return {"bpe": BPETokenizer.train(train, 600), "btm": BTMTokenizer.train(train, 600, primitive_vocab_size=400)}


@pytest.fixture(scope="session")
def story_tokens(
    tmp_path_factory: pytest.TempPathFactory,
    story_documents: "dict[str, Documents]",
    story_tokenizers: "dict[str, Tokenizer]",
) -> dict[str, Path]:
    """The corpus as token folders, one for each of those tokenizers. Copy one before you damage it."""
    from toktrial.tokens.store import write_tokens

    folders = {track: tmp_path_factory.mktemp("tokens") / track for track in story_tokenizers}
    for track, folder in folders.items():
        write_tokens(folder, story_tokenizers[track], f"fingerprint of {track}", story_documents, track)
    return folders


@pytest.fixture(scope="session")
def s3_server() -> Iterator[str]:
    """A server of S3's protocol on this machine: what follows the `?` of an address on it."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"scheme=http&region=us-east-1&endpoint_override={host}:{port}"
    server.stop()


@pytest.fixture
def s3_bucket(s3_server: str, request: pytest.FixtureRequest) -> Iterator[str]:
    """The address of an empty place in a bucket on that server, with a key and its secret."""
    from pyarrow import fs

    name = f"bucket-{abs(hash(request.node.name))}"
    address = f"s3://key:secret@{name}/some/prefix?{s3_server}"
    remote, _ = fs.FileSystem.from_uri(f"{address}&allow_bucket_creation=true")
    remote.create_dir(name)
    yield address
    remote.delete_dir_contents(name)
