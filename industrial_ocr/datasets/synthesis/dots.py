"""The classic 5x7 dot matrix table and the strokes of seven and fourteen segments."""

from __future__ import annotations

_ROWS = """
0 3E5149453E  1 00427F4000  2 4261514946  3 2141454B31  4 1814127F10  5 2745454539  6 3C4A494930
7 0171090503  8 3649494936  9 064949291E  A 7E1111117E  B 7F49494936  C 3E41414122  D 7F4141221C
E 7F49494941  F 7F09090901  G 3E4149497A  H 7F0808087F  I 00417F4100  J 2040413F01  K 7F08142241
L 7F40404040  M 7F020C027F  N 7F0408107F  O 3E4141413E  P 7F09090906  Q 3E4151215E  R 7F09192946
S 4649494931  T 01017F0101  U 3F4040403F  V 1F2040201F  W 3F4038403F  X 6314081463  Y 0708700807
Z 6151494543  a 2054545478  b 7F48444438  c 3844444420  d 384444487F  e 3854545418  f 087E090102
g 0C5252523E  h 7F08040478  i 00447D4000  j 2040443D00  k 7F10284400  l 00417F4000  m 7C04180478
n 7C08040478  o 3844444438  p 7C14141408  q 081414187C  r 7C08040408  s 4854545420  t 043F444020
u 3C4040207C  v 1C2040201C  w 3C4030403C  x 4428102844  y 0C5050503C  z 4464544C44  - 0808080808
/ 2010080402  . 0060600000  : 0036360000  # 147F147F14  ( 001C224100  ) 0041221C00  + 08083E0808
& 3649552250  * 14083E0814  ' 0005030000  , 0050300000
"""

DOTS_5X7: dict[str, tuple[int, ...]] = {
    symbol: tuple(bytes.fromhex(columns))
    for line in _ROWS.split("\n")
    for symbol, columns in zip(line.split()[::2], line.split()[1::2], strict=True)
}
"""Symbol -> five column bytes, lowest bit on top, as character displays and inkjets hold them."""

Point = tuple[float, float]

_SEVEN: dict[str, str] = {
    "0": "abcdef", "1": "bc", "2": "abged", "3": "abgcd", "4": "fgbc", "5": "afgcd",
    "6": "afgedc", "7": "abc", "8": "abcdefg", "9": "abcdfg", "-": "g",
}  # fmt: skip

SEGMENTS_14: dict[str, str] = {
    "0": "abcdefjk", "1": "bc", "2": "abdegh", "3": "abcdh", "4": "bcfgh", "5": "acdfgh",
    "6": "acdefgh", "7": "abc", "8": "abcdefgh", "9": "abcdfgh", "A": "abcefgh", "B": "abcdhim",
    "C": "adef", "D": "abcdim", "E": "adefgh", "F": "aefg", "G": "acdefh", "H": "bcefgh",
    "I": "adim", "J": "bcde", "K": "efgjl", "L": "def", "M": "bcefnj", "N": "bcefnl", "O": "abcdef",
    "P": "abefgh", "Q": "abcdefl", "R": "abefghl", "S": "acdfgh", "T": "aim", "U": "bcdef",
    "V": "efkj", "W": "bcefkl", "X": "njkl", "Y": "njm", "Z": "adjk", "-": "gh", "+": "ghim",
    "*": "ghimnjkl", "/": "jk",
}  # fmt: skip
"""Symbol -> lit segments; g and h are the halves of the middle bar, i and m the upright middle,
n, j, k, l the diagonals from top-left, top-right, bottom-left and bottom-right."""

_PLACES: dict[str, tuple[Point, Point]] = {
    "a": ((0, 0), (1, 0)), "b": ((1, 0), (1, 0.5)), "c": ((1, 0.5), (1, 1)),
    "d": ((0, 1), (1, 1)), "e": ((0, 0.5), (0, 1)), "f": ((0, 0), (0, 0.5)),
    "g": ((0, 0.5), (0.5, 0.5)), "h": ((0.5, 0.5), (1, 0.5)), "i": ((0.5, 0), (0.5, 0.5)),
    "m": ((0.5, 0.5), (0.5, 1)), "n": ((0, 0), (0.5, 0.5)), "j": ((1, 0), (0.5, 0.5)),
    "k": ((0.5, 0.5), (0, 1)), "l": ((0.5, 0.5), (1, 1)),
}  # fmt: skip


def segment_strokes(symbol: str, segments: int) -> list[tuple[Point, Point]]:
    """The lit strokes of a symbol in a unit box (y down); KeyError where there is none.

    Args:
        symbol: a key of the table for that many segments.
        segments: 7 or 14.
    """
    if segments == 7:
        places = {**_PLACES, "g": ((0.0, 0.5), (1.0, 0.5))}
        return [places[s] for s in _SEVEN[symbol]]
    return [_PLACES[s] for s in SEGMENTS_14[symbol]]
