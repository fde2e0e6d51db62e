"""What codes look like: expressions, automata, presets, check digits, charsets."""
