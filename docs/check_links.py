"""Checks every internal link of the built documentation, and the file links of the front pages.

    python docs/check_links.py SITE

Links to other sites are not opened. Exit code 1 if a link leads nowhere.
"""

from __future__ import annotations

import re
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

ROOT = Path(__file__).resolve().parent.parent
FRONT_PAGES = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")


class Page(HTMLParser):
    """The links and the anchors of one HTML page."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.links: list[str] = []
        self.anchors: set[str] = set()
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Notes what an element links to, and its id."""
        given = dict(attrs)
        self.links += [given[k] or "" for k in ("href", "src") if given.get(k)]
        if given.get("id"):
            self.anchors.add(given["id"] or "")


def site_problems(site: Path) -> list[str]:
    """One line for each internal link of a site that leads nowhere."""
    pages = {path.resolve(): Page(path) for path in site.rglob("*.html")}
    problems = []
    for path, page in pages.items():
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            anchor = unquote(parts.fragment)
            known = target in pages and anchor in pages[target].anchors
            if not target.exists() or (anchor and target in pages and not known):
                problems.append(f"{path.relative_to(site.resolve())}: {link}")
    return problems


def front_page_problems() -> list[str]:
    """One line for each file that README and its neighbors link to and that does not exist."""
    problems = []
    for name in FRONT_PAGES:
        text = (ROOT / name).read_text(encoding="utf-8")
        links = [urlsplit(link) for link in re.findall(r"\]\(([^)\s]+)\)", text)]
        problems += [
            f"{name}: {link.path}"
            for link in links
            if not link.scheme and link.path and not (ROOT / unquote(link.path)).exists()
        ]
    return problems


def main() -> int:
    """Prints the problems; the exit code."""
    problems = site_problems(Path(sys.argv[1])) + front_page_problems()
    for problem in sorted(set(problems)):
        print(f"leads nowhere: {problem}")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
