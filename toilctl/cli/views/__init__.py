"""How results look on a terminal: a verb's result becomes text. Nothing is asked or decided here."""
