# SPDX-License-Identifier: Apache-2.0
"""
Enough of C to check the shape of this tree: which files there are, their
tokens, their functions, and the rows of the .def tables.  It reads one file at
a time, without the preprocessor, and leaves judgement to the check-* programs.
"""

import os
import re
import signal
import sys
from collections import namedtuple

ROOMS = ("proto", "base", "storage", "server", "client", "tools", "tests")

Token = namedtuple("Token", "kind text line")
Function = namedtuple("Function", "name line last parameters is_static body")

TOKEN = re.compile(
    r"""
      (?P<directive>^[ \t]*\#(?:/\*.*?\*/|\\\n|[^\n\\]|\\.)*)
    | (?P<comment>/\*.*?\*/|//[^\n]*)
    | (?P<string>"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*')
    | (?P<word>[A-Za-z_]\w*)
    | (?P<number>\.?\d(?:[eEpP][+-]|[\w.])*)
    | (?P<mark>\S)
    """,
    re.VERBOSE | re.DOTALL | re.MULTILINE,
)
OPENING = {"(": ")", "[": "]", "{": "}"}


def go_to_root():
    """Every check runs from the root of the source, wherever it was called."""
    os.chdir(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../.."))


def files(*suffixes, rooms=ROOMS):
    """Paths, relative to the root, of the rooms' files with these suffixes."""
    found = []
    for room in rooms:
        for folder, folders, names in os.walk(room):
            folders[:] = [f for f in folders if not f.startswith((".", "__"))]
            found += [os.path.join(folder, n) for n in names
                      if n.endswith(suffixes) and not n.startswith(".")]
    return sorted(found)


def read(path):
    with open(path, encoding="utf-8", errors="replace") as file:
        return file.read()


def finish(problems):
    """Prints what was found, one line each, and ends the program."""
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    for problem in sorted(set(problems)):
        print("%s:%d: %s" % problem)
    sys.exit(1 if problems else 0)


def tokens(text):
    """All tokens, comments and directives among them."""
    line, at, found = 1, 0, []
    for match in TOKEN.finditer(text):
        line += text.count("\n", at, match.start())
        at = match.start()
        found.append(Token(match.lastgroup, match.group(), line))
    return found


def code(all_tokens):
    return [t for t in all_tokens if t.kind not in ("directive", "comment")]


def closing(found, at):
    """Index of the bracket that closes the one at `at`; the end if none."""
    depth = 0
    for i in range(at, len(found)):
        if found[i].kind != "mark":
            continue
        if found[i].text in OPENING:
            depth += 1
        elif found[i].text in ")]}":
            depth -= 1
            if depth == 0:
                return i
    return len(found) - 1


def parameter_count(found, first, last):
    """Of the tokens between the parentheses at first and last."""
    if last == first + 1 or (last == first + 2 and
                             found[first + 1].text == "void"):
        return 0
    count, i = 1, first + 1
    while i < last:
        if found[i].text in OPENING and found[i].kind == "mark":
            i = closing(found, i)
        elif found[i].text == ",":
            count += 1
        i += 1
    return count


def declarator(found, start, end):
    """(name index, open, close) of the function declared in [start, end)."""
    best, i = None, start
    while i < end:
        if found[i].kind == "mark" and found[i].text == "=":
            return None
        if found[i].kind == "mark" and found[i].text in OPENING:
            shut = closing(found, i)
            if (found[i].text == "(" and i > start and
                    found[i - 1].kind == "word" and
                    found[i - 1].text not in ("__attribute__", "_Alignas")):
                best = (i - 1, i, shut)
            i = shut
        i += 1
    return best


def declarations(text):
    """
    Yields (tokens, start, end, body_end) of each declaration at the outermost
    level; body_end is the closing brace of a function's body, else None.
    """
    found = code(tokens(text))
    start = i = 0
    while i < len(found):
        text_here = found[i].text if found[i].kind == "mark" else ""
        if text_here == ";":
            yield found, start, i, None
            start = i + 1
        elif text_here == "{":
            shut = closing(found, i)
            is_body = (i > start and found[i - 1].text == ")" and
                       declarator(found, start, i) is not None)
            if is_body:
                yield found, start, i, shut
                start = shut + 1
            i = shut
        elif text_here in ("(", "["):
            i = closing(found, i)
        i += 1


def functions(text):
    """Every function defined in a file."""
    result = []
    for found, start, end, shut in declarations(text):
        if shut is None:
            continue
        name, opens, closes = declarator(found, start, end)
        result.append(Function(
            found[name].text, found[name].line, found[shut].line,
            parameter_count(found, opens, closes),
            any(t.text == "static" for t in found[start:name]),
            found[end:shut + 1]))
    return result


def table_rows(path, macro):
    """The rows of a .def table: a list of (line, arguments) for each MACRO(...)."""
    found = code(tokens(read(path)))
    rows = []
    for i, token in enumerate(found):
        if token.text != macro or i + 1 == len(found) or found[i + 1].text != "(":
            continue
        arguments, at = [[]], i + 2
        last = closing(found, i + 1)
        while at < last:
            if found[at].text == ",":
                arguments.append([])
            else:
                arguments[-1].append(found[at].text)
            at += 1
        rows.append((token.line, ["".join(a) for a in arguments]))
    return rows
