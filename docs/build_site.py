"""Builds the documentation as a site in build/site: `make docs`.

The pages are those of docs/ and some that stand elsewhere in the repository, such as the README. They are copied into one
folder, with their links made to fit, and Zensical makes HTML of them. Nothing is fetched, neither then nor by a reader.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
SOURCE, SITE = REPOSITORY / "build" / "docs", REPOSITORY / "build" / "site"
# Pages that stand outside docs/, by their path, and the names that the site has for them.
ELSEWHERE = {
    "README.md": "index.md",
    "LOG.md": "log.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "src/toktrial/tokenizer/README.md": "tokenizers_alone.md",
}
FILES = "files"  # the site's folder for whatever else a page links to
LINK = re.compile(r"(?<=\]\()([^)\s#]+)(?=[)#])")  # the target of [text](target#place), without the place
CODE = re.compile(r"^(```.*?^```|~~~.*?^~~~)", re.MULTILINE | re.DOTALL)


def pages() -> dict[Path, str]:
    """Returns the pages by their path in the repository, and the names that the site has for them."""
    of_docs = {path: path.name for path in sorted((REPOSITORY / "docs").rglob("*.md"))}
    return of_docs | {REPOSITORY / path: name for path, name in ELSEWHERE.items()}


def stage() -> None:
    """Copies the pages into SOURCE. Exits, naming page and link, where a link leads nowhere."""
    shutil.rmtree(SOURCE, ignore_errors=True)
    SOURCE.mkdir(parents=True)
    for path, name in pages().items():
        (SOURCE / name).write_text(_with_links_of_the_site(path), encoding="utf-8")
    shutil.copy(REPOSITORY / "docs" / "site.css", SOURCE)


def _with_links_of_the_site(page: Path) -> str:
    parts = CODE.split(page.read_text(encoding="utf-8"))
    return "".join(part if CODE.match(part) else LINK.sub(lambda found: _place(found[0], page), part) for part in parts)


def _place(link: str, page: Path) -> str:
    """Returns where the site has what a page links to; copies it there unless it is a page."""
    if ":" in link:  # an address
        return link
    target = Path(os.path.normpath(page.parent / link))
    if target in pages():
        return pages()[target]
    if not target.is_file() or REPOSITORY not in target.parents:
        sys.exit(f"{page.relative_to(REPOSITORY)} links to {link}, which is not there: mend the link")
    copied = Path(FILES) / target.relative_to(REPOSITORY)
    (SOURCE / copied).parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(target, SOURCE / copied)
    return copied.as_posix()


def main() -> None:
    subprocess.run([sys.executable, REPOSITORY / "docs" / "reference.py"], check=True)
    stage()
    subprocess.run([sys.executable, "-m", "zensical", "build", "--clean"], cwd=REPOSITORY, check=True)


if __name__ == "__main__":
    main()
