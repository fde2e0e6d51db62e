"""From what a pattern says, an expression or a word list, to automata and to matches."""
