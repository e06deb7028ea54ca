"""Nobody who reads the documentation ends in a dead end."""

from __future__ import annotations

import re
from pathlib import Path

from tests.docs.pages import DOCS, ROOT, Page, all_pages

REGISTRY = re.compile(r"pypi\.org|pythonhosted\.org|(extra-)?index-url", re.IGNORECASE)


def target(page: Page, link: str) -> Path:
    return (page.path.parent / link.partition("#")[0]).resolve()


def relative_links(page: Page) -> list[str]:
    return [link for link in page.links() if "://" not in link and not link.startswith(("#", "mailto:"))]


def test_relative_links_lead_to_a_file_of_the_project() -> None:
    """Every relative link names a file inside the project."""
    broken = []
    for page in all_pages():
        for link in relative_links(page):
            file = target(page, link)
            if not file.exists() or not file.is_relative_to(ROOT):
                broken.append((page.name, link))
    assert broken == []


def test_anchors_exist() -> None:
    """Every link to a heading names one of that page."""
    broken = []
    for page in all_pages():
        for link in [*relative_links(page), *(link for link in page.links() if link.startswith("#"))]:
            path, _, anchor = link.partition("#")
            there = Page(target(page, path)) if path else page
            if anchor and there.path.is_file() and anchor not in there.anchors():
                broken.append((page.name, link))
    assert broken == []


def test_every_page_can_be_reached_from_the_index() -> None:
    """Following links from docs/index.md, a reader comes by every page of the documentation."""
    reached: set[Path] = set()
    waiting = [DOCS / "index.md"]
    while waiting:
        path = waiting.pop()
        if path in reached or path.suffix != ".md" or not path.is_file():
            continue
        reached.add(path)
        page = Page(path)
        waiting += [target(page, link) for link in relative_links(page)]
    assert {page.name for page in all_pages()} - {Page(path).name for path in reached} == set()


def test_pages_name_nothing_of_the_machine_they_were_written_on() -> None:
    """No page holds a path of this checkout or of its user's home, nor a package registry."""
    paths = [re.compile(rf"{re.escape(str(path))}(/|\b)") for path in {ROOT, Path.home()} - {Path("/")}]
    named = [
        (page.name, found[0])
        for page in all_pages()
        for pattern in (*paths, REGISTRY)
        if (found := pattern.search(page.text))
    ]
    assert named == []
