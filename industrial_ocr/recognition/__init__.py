"""What the boxes and the strings show: character classifier and CRNN."""
