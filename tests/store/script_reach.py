"""What a script reaches: what it does, and of the functions of its parts those that it may call by doing so."""

from __future__ import annotations

import re
from functools import cache

from jobd.store.scripts import LUA

_FUNCTION = re.compile(r"^local function (\w+)\b.*?^end$", re.MULTILINE | re.DOTALL)


@cache
def reach(name: str) -> str:
    """The code in reach of the script of this name."""
    head = (LUA / f"{name}.lua").read_text()
    (included,) = re.findall(r"^-- include: (.*)$", head, re.MULTILINE)
    texts = [head, *((LUA / "lib" / f"{part}.lua").read_text() for part in included.split())]
    code = re.sub(r"--.*", "", "\n".join(texts))
    functions = {found[1]: found[0] for found in _FUNCTION.finditer(code)}
    reached = _FUNCTION.sub("", code)
    words: set[str] = set()
    news = _words(reached)
    while news:
        words |= news
        met = [functions[word] for word in news if word in functions]
        reached = "\n".join([reached, *met])
        news = set().union(*map(_words, met)) - words
    return reached


def _words(text: str) -> set[str]:
    return set(re.findall(r"\w+", text))
