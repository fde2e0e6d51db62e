"""Writes the most frequent characters of a word list: python examples/make_charset.py DICT OUT

DICT has a word and its count on each line, as the dict.txt of the PyPI package jieba (MIT). OUT
gets 5,990 symbols, one per line: the printable characters of ASCII, Chinese punctuation, and those
characters of GB 2312 that are most frequent in the words. Others are left out: most of them are in
words of jieba that were decoded wrongly. configs/charsets/zh.txt was made with this script.
"""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

SIZE = 5990
ASCII = [chr(i) for i in range(0x21, 0x7F)]
PUNCTUATION = "，。、；：？！“”‘’（）《》〈〉【】—…·￥～"


def main(source: str, out: str) -> None:
    """Counts each character as often as its words occur."""
    counts: Counter[str] = Counter()
    for line in Path(source).read_text(encoding="utf-8").splitlines():
        word, count, *_ = line.split()
        counts.update({c: int(count) * word.count(c) for c in set(word)})
    symbols = [*ASCII, *PUNCTUATION]
    common = sorted(counts, key=lambda c: (-counts[c], c))
    symbols += [c for c in common if c not in set(symbols) and c.isalnum() and _in_gb2312(c)]
    Path(out).write_text("\n".join(symbols[:SIZE]) + "\n", encoding="utf-8")


def _in_gb2312(character: str) -> bool:
    return bool(character.encode("gb2312", "ignore"))


if __name__ == "__main__":
    main(*sys.argv[1:])
