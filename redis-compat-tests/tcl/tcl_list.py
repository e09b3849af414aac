"""Tcl's lists, as the clients of Redis' suite send them: words, bare, in braces, or with backslashes."""

ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "v": "\v", "f": "\f", "a": "\a", "b": "\b"}


def parse(text):
    """The words of a list."""
    words, at = [], 0
    while True:
        while at < len(text) and text[at].isspace():
            at += 1
        if at == len(text):
            return words
        word, at = (_braced if text[at] == "{" else _bare)(text, at)
        words.append(word)


def _braced(text, at):
    depth, start = 0, at + 1
    while at < len(text):
        if text[at] == "\\":
            at += 1
        elif text[at] == "{":
            depth += 1
        elif text[at] == "}":
            depth -= 1
            if depth == 0:
                return text[start:at], at + 1
        at += 1
    raise ValueError("unbalanced braces")


def _bare(text, at):
    quoted = text[at] == '"'
    word = []
    at += quoted
    while at < len(text) and not (text[at] == '"' if quoted else text[at].isspace()):
        if text[at] == "\\" and at + 1 < len(text):
            at += 1
            word.append(ESCAPES.get(text[at], text[at]))
        else:
            word.append(text[at])
        at += 1
    return "".join(word), at + quoted


def render(words):
    """A list of the words."""
    return " ".join("".join(map(_escaped, word)) or "{}" for word in words)


def _escaped(character):
    return "\\n" if character == "\n" else "\\" + character if character in '\\{}[]$"; \t' else character
