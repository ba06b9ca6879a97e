"""What Markdown makes of a text: its elements, and the words between them.

A name from elsewhere is shown as it is if the document has the elements that
it has with any other name, and the name among its words.
"""

from html.parser import HTMLParser

from markdown_it import MarkdownIt
from speechbrain_petl.errors import CONTROLS

CODE = str.maketrans("`", "'")  # what stands in code has no backticks


class _Page(HTMLParser):
    """Collects the elements, with the names of their attributes, and words."""

    def __init__(self):
        super().__init__()
        self.elements, self.words = [], []

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, *(name for name, _ in attrs)))

    def handle_comment(self, data):
        self.elements.append(("comment",))

    def handle_data(self, data):
        self.words.append(data)


def page_of(markdown):
    """(elements, words) of a document without its yaml header."""
    if markdown.startswith("---\n"):
        _, _, markdown = markdown[4:].partition("\n---\n")
    page = _Page()
    reader = MarkdownIt("commonmark", {"html": True}).enable("table")
    page.feed(reader.render(markdown))
    page.close()
    return page.elements, "".join(page.words)


def interpreted(word, document, name, harmless):
    """What a name does in a document, which with another name is harmless."""
    elements, words = page_of(document)
    wanted, others = page_of(harmless)
    problems = []
    if elements != wanted:
        others = [e for e in elements if e not in wanted] or [len(elements)]
        problems.append(f"{word!r} is markup: {others}")
    shown = " ".join(str(word).split())
    said = " ".join(words.split()).translate(CODE)
    if CONTROLS.search(document.replace("\n", "")):
        problems.append(f"{word!r} has control characters as they are")
    elif name in others and not CONTROLS.search(shown):
        if shown.translate(CODE) not in said:
            problems.append(f"{word!r} is not shown")
    return problems
