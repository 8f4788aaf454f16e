"""The documentation: its reference is what the code says, every link leads somewhere, and the site is made of all of it."""

import re
import subprocess
import sys
import tomllib
from html.parser import HTMLParser
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent
ADDRESS = re.compile(r"[a-z]+:|//")


def script(name: str) -> ModuleType:
    spec = spec_from_file_location(f"docs_{name}", REPOSITORY / "docs" / f"{name}.py")
    assert spec
    assert spec.loader
    module = module_from_spec(spec)
    sys.modules[spec.name] = module  # where its dataclasses look for their types
    spec.loader.exec_module(module)
    return module


class Page(HTMLParser):
    """The places, links and fetched addresses of an HTML page."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.ids: set[str] = set()
        self.links: list[str] = []
        self.fetched: list[str] = []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        of = {name: value or "" for name, value in attributes}
        self.ids.add(of.get("id", ""))
        if tag == "a" and "href" in of:
            self.links.append(of["href"])
        elif of.get("rel") != "canonical":
            self.fetched += [of[name] for name in ("src", "href") if name in of]


# The reference


def test_the_reference_is_what_the_code_says() -> None:
    reference = script("reference")
    for name, page in reference.PAGES.items():
        written = (REPOSITORY / "docs" / name).read_text(encoding="utf-8")
        assert written == page(), f"docs/{name} is stale: python docs/reference.py writes it again"


def test_every_field_and_every_public_name_is_in_the_reference() -> None:
    import toktrial
    from toktrial import presets
    from toktrial.protocol import to_dict

    page = (REPOSITORY / "docs/protocol_reference.md").read_text(encoding="utf-8")
    for table, values in to_dict(presets.study()).items():
        for name in values if isinstance(values, dict) and table != "tracks" else [table]:
            assert f"| `{name}` |" in page or table == "tracks", name
    api = (REPOSITORY / "docs/api_reference.md").read_text(encoding="utf-8")
    assert {name for name in toktrial.__all__ if f"\n## `{name}" not in api} == set()
    assert "TrialFolder.open" not in api
    assert "Trial.open(folder: Path | str" in api


def test_what_depends_on_a_field_is_found_by_changing_it() -> None:
    dependents = script("reference")._dependents
    assert dependents("corpus", "separator") == "everything"
    assert dependents("training", "beta1") == "runs"
    assert dependents("training", "steps") == "runs; **amendable** upwards, under a constant schedule"
    assert dependents("evaluation", "top_k") == "evaluation of the runs; **amendable**"
    assert dependents("evaluation", "minimal_pairs") == "an evaluation of its own; **amendable**"


def test_what_is_written_down_of_a_field_is_of_a_field_that_no_fingerprint_knows() -> None:
    """A new field of `training` or `evaluation` is found out by itself; one of these would have to be wrong by hand."""
    reference = script("reference")
    for table, name in reference.WRITTEN_DOWN:
        if table in ("training", "evaluation") and name != "eval_documents":
            old, new = reference.Made.by(reference.Protocol()), reference.Made.by(reference._changed(table, name))
            assert old == new, f"{table}.{name}"


# The site


def test_a_link_that_leads_nowhere_ends_the_build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    site = script("build_site")
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "page.md").write_text("[there](gone.md)")
    (tmp_path / "docs" / "site.css").touch()
    monkeypatch.setattr(site, "REPOSITORY", tmp_path)
    monkeypatch.setattr(site, "SOURCE", tmp_path / "build" / "docs")
    monkeypatch.setattr(site, "ELSEWHERE", {})
    with pytest.raises(SystemExit, match=r"docs/page\.md links to gone\.md, which is not there: mend the link"):
        site.stage()


def test_links_are_made_to_fit_and_code_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    site = script("build_site")
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "page.md").write_text(
        "[a](../README.md#try-it) [b](../code.py) ![c](p.png) [d](https://e.org/f.md) [e](#here)\n```\n[f](g.md)\n```\n"
    )
    for name in ("README.md", "code.py", "docs/p.png", "docs/site.css"):
        (tmp_path / name).write_text("text")
    monkeypatch.setattr(site, "REPOSITORY", tmp_path)
    monkeypatch.setattr(site, "SOURCE", tmp_path / "build" / "docs")
    monkeypatch.setattr(site, "ELSEWHERE", {"README.md": "index.md"})
    site.stage()
    links, code = (site.SOURCE / "page.md").read_text().split("```", 1)
    assert links == "[a](index.md#try-it) [b](files/code.py) ![c](files/docs/p.png) [d](https://e.org/f.md) [e](#here)\n"
    assert "[f](g.md)" in code
    assert (site.SOURCE / "files" / "docs" / "p.png").is_file()


def test_the_menu_has_every_page() -> None:
    def files(items: Any) -> list[str]:
        return (
            [items] if isinstance(items, str) else [file for item in items for entry in item.values() for file in files(entry)]
        )

    menu = files(tomllib.loads((REPOSITORY / "zensical.toml").read_text(encoding="utf-8"))["project"]["nav"])
    assert sorted(menu) == sorted(script("build_site").pages().values())


def test_every_link_of_the_built_site_leads_somewhere_and_nothing_is_fetched() -> None:
    pytest.importorskip("zensical", reason="the site is not built here: `make docs` installs what that needs")
    site = script("build_site")
    site.stage()
    subprocess.run([sys.executable, "-m", "zensical", "build", "--clean"], cwd=REPOSITORY, check=True, timeout=200)
    pages = {path.name: Page(path) for path in site.SITE.glob("*.html")}
    assert set(pages) > {f"{Path(name).stem}.html" for name in site.pages().values()}
    broken = []
    for name, page in pages.items():
        assert not [address for address in page.fetched if ADDRESS.match(address) and not address.startswith("data:")], name
        for link in page.links:
            file, _, place = link.partition("#")
            if ADDRESS.match(link) or name == "404.html":
                continue
            target = "index.html" if file in (".", "./") else file or name
            is_there = (site.SITE / target).is_file() and (not place or target not in pages or place in pages[target].ids)
            broken += [] if is_there else [f"{name} -> {link}"]
    assert not broken
