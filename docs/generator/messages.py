# Copyright: (c) 2026, scisoft.julia_depots contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The error messages of the code, read from its sources.

A message is a text in which ``…`` stands for each value that is only known when it is said. Read are

- Python: what errors are made of (:data:`ERRORS` and the subclasses of ``DepotError``), what is put into names that
  hold faults, and what functions return that are named for faults or whose result goes into one of these;
- roles and playbooks: ``msg`` of ``fail``, ``fail_msg`` of ``assert``, and lists of faults among a role's variables;
- Julia programs: ``error(...)`` and faults;
- shell scripts: the text of ``die`` and ``say``, and what is echoed to the standard error.

A text without words of its own, such as ``…: …``, only wraps another message and counts for nothing.
"""

from __future__ import annotations

import ast
import itertools
import re
import warnings
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import jinja2
import yaml
from jinja2 import nodes

VALUE = "…"
ERRORS = {"DepotError", "ValueError", "AnsibleActionFail", "AnsibleError", "AnsibleFilterError"}
FAULTS = re.compile(r"(^|_)faults?(_|$)")
YAML = ("roles/*/tasks/*.yml", "roles/*/handlers/*.yml", "roles/*/vars/*.yml", "playbooks/**/*.yml", "awx/*.yml")
# How many texts one expression may stand for before its parts are values: none of the code comes near.
MOST_TEXTS = 64

Messages = dict[str, list[str]]


def normal(text: str) -> str:
    """A message in the form in which two are compared: white space and neighbouring values are one."""
    text = re.sub(r"\s+", " ", text).strip()
    return re.sub(f"{VALUE}({VALUE})+", VALUE, text)


def has_words(text: str) -> bool:
    """Whether a text says something by itself."""
    return bool(re.search(r"[A-Za-z]{2}", re.sub(rf"^({VALUE}|[a-z_-]+)(: |$)|{VALUE}", "", re.sub(r"^…: ", "", text))))


def collect(root: Path) -> Messages:
    """All messages of a checkout, each with the files (``path:line``) that say it."""
    found: Messages = {}

    def add(text: str, path: Path, line: int) -> None:
        text = normal(text)
        place = f"{path.relative_to(root)}:{line}"
        if has_words(text) and place not in found.setdefault(text, []):
            found[text].append(place)

    sources = {path: ast.parse(path.read_text()) for path in sorted((root / "plugins").rglob("*.py"))}
    for path, text, line in Python(sources).messages():
        add(text, path, line)
    for pattern in YAML:
        for path in sorted(root.glob(pattern)):
            for text, line in of_yaml(path.read_text()):
                add(text, path, line)
    for path in sorted([*root.glob("plugins/julia/*.jl"), *root.glob("plugins/release/*.jl")]):
        for text, line in of_julia(path.read_text()):
            add(text, path, line)
    for pattern in ("plugins/release/*", "roles/*/files/*", "scripts/*", "inventory/*/*"):
        for path in sorted(root.glob(pattern)):
            if path.is_file() and path.suffix in ("", ".sh"):
                for text, line in of_shell(path.read_text()):
                    add(text, path, line)
    return found


class Python:
    """The messages of Python sources."""

    def __init__(self, sources: Mapping[Path, ast.Module]) -> None:
        self.sources = sources
        self.functions: dict[str, list[ast.FunctionDef]] = {}
        self.homes: dict[ast.AST, ast.Module] = {}
        self.errors = set(ERRORS)
        classes = [node for tree in sources.values() for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
        for _round in classes:  # a subclass may stand before what it derives from
            self.errors |= {node.name for node in classes if {_name(base) for base in node.bases} & self.errors}
        for tree in sources.values():
            for node in ast.walk(tree):
                if isinstance(node, ast.FunctionDef):
                    self.functions.setdefault(node.name, []).append(node)
                    self.homes[node] = tree

    def messages(self) -> Iterator[tuple[Path, str, int]]:
        for path, tree in self.sources.items():
            for scope, node in _with_scopes(tree):
                for expression in self._said(scope, node):
                    for text in self.texts(expression, scope, frozenset()):
                        yield path, text, expression.lineno

    def _said(self, scope: ast.AST, node: ast.AST) -> Iterable[ast.expr]:
        """What a statement or expression says by itself."""
        if isinstance(node, ast.Call):
            name = _name(node.func)
            if name in self.errors:
                return node.args[:1]
            if name == "fail_json" or any(keyword.arg == "failed" for keyword in node.keywords):
                return [keyword.value for keyword in node.keywords if keyword.arg == "msg"]
            if name in ("append", "extend") and isinstance(node.func, ast.Attribute) and _holds_faults(node.func.value):
                return node.args
        if isinstance(node, ast.AugAssign) and _holds_faults(node.target):
            return [node.value]
        if isinstance(node, ast.Assign) and any(_holds_faults(target) for target in node.targets):
            return [node.value]
        if isinstance(node, ast.Return) and node.value and FAULTS.search(getattr(scope, "name", "")):
            return [node.value]
        return []

    def texts(self, node: ast.expr, scope: ast.AST, seen: frozenset[ast.AST]) -> list[str]:
        """The texts that an expression stands for, with ``…`` where it depends on values.

        :param scope: the function or module in which it stands.
        :param seen: functions and names on the way, so that recursion ends.
        """
        if isinstance(node, ast.Constant):
            return [node.value] if isinstance(node.value, str) else [VALUE]
        if isinstance(node, ast.JoinedStr):
            return self._joined([self._part(part) for part in node.values])
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
            if _is_list(node.left) or _is_list(node.right):
                return self.texts(node.left, scope, seen) + self.texts(node.right, scope, seen)
            return self._joined([self.texts(node.left, scope, seen), self.texts(node.right, scope, seen)])
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mod):
            return [re.sub(r"%[rsd]", VALUE, text) for text in self.texts(node.left, scope, seen)]
        if isinstance(node, ast.IfExp):
            return self.texts(node.body, scope, seen) + self.texts(node.orelse, scope, seen)
        if isinstance(node, ast.BoolOp):
            return [text for value in node.values for text in self.texts(value, scope, seen)]
        if isinstance(node, (ast.List, ast.Tuple, ast.Set)):
            return [text for value in node.elts for text in self.texts(value, scope, seen)]
        if isinstance(node, (ast.ListComp, ast.GeneratorExp, ast.SetComp)):
            return self.texts(node.elt, scope, seen)
        if isinstance(node, ast.Starred):
            return self.texts(node.value, scope, seen)
        if isinstance(node, ast.Name):
            return self._assigned(node.id, scope, seen)
        if isinstance(node, ast.Call):
            return self._returned(node, scope, seen)
        return [VALUE]

    def _part(self, part: ast.expr) -> list[str]:
        return [str(part.value)] if isinstance(part, ast.Constant) else [VALUE]

    def _joined(self, parts: list[list[str]]) -> list[str]:
        texts = ["".join(choice) for choice in itertools.islice(itertools.product(*parts), MOST_TEXTS)]
        return texts if len(texts) < MOST_TEXTS else [VALUE]

    def _assigned(self, name: str, scope: ast.AST, seen: frozenset[ast.AST]) -> list[str]:
        """The texts that a name has in a function: what is assigned to it, if that is all text."""
        values = [
            node.value
            for node in ast.walk(scope)
            if isinstance(node, (ast.Assign, ast.AugAssign))
            and node not in seen
            and any(_name(target) == name for target in getattr(node, "targets", [getattr(node, "target", None)]))
        ]
        marked = seen | {node for node in ast.walk(scope) if isinstance(node, (ast.Assign, ast.AugAssign))}
        return [text for value in values for text in self.texts(value, scope, marked)] or [VALUE]

    def _returned(self, call: ast.Call, scope: ast.AST, seen: frozenset[ast.AST]) -> list[str]:
        """The texts that a call gives: those that a function of ours returns; of ``str.join`` what is joined."""
        name = _name(call.func)
        texts: list[str] = []
        if name in ("join", "list", "tuple", "sorted") and len(call.args) == 1:
            texts += self.texts(call.args[0], scope, seen)
        if FAULTS.search(name):
            return [VALUE]  # what it returns is read where it returns it
        home = self.homes.get(scope, scope)
        functions = self.functions.get(name, [])
        near = [function for function in functions if self.homes[function] is home]
        for function in near or ([] if name.startswith("_") else functions):
            if function not in seen and _gives_text(function):
                for node in ast.walk(function):
                    if isinstance(node, ast.Return) and node.value:
                        texts += self.texts(node.value, function, seen | {function})
        return texts or [VALUE]


def _gives_text(function: ast.FunctionDef) -> bool:
    return bool(function.returns) and ast.unparse(function.returns) in ("str", "str | None", "list[str]")


def _is_list(node: ast.expr) -> bool:
    """Whether an operand of ``+`` is a list of texts, as far as its form tells."""
    if isinstance(node, ast.IfExp):
        return _is_list(node.body) or _is_list(node.orelse)
    if isinstance(node, ast.BinOp):
        return _is_list(node.left) or _is_list(node.right)
    called = _name(node.func) if isinstance(node, ast.Call) else _name(node)
    return isinstance(node, (ast.List, ast.ListComp)) or called in ("list", "sorted", "faults") or "faults" in called


def _name(node: ast.AST | None) -> str:
    """The last part of a name; of ``list[str]`` it is ``list``."""
    if isinstance(node, ast.Subscript):
        return _name(node.value)
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""


def _holds_faults(node: ast.AST) -> bool:
    return bool(FAULTS.search(_name(node)))


def _with_scopes(tree: ast.AST, scope: ast.AST | None = None) -> Iterator[tuple[ast.AST, ast.AST]]:
    """All nodes, each with the function or module that it stands in."""
    scope = scope or tree
    for node in ast.iter_child_nodes(tree):
        yield scope, node
        yield from _with_scopes(node, node if isinstance(node, ast.FunctionDef) else scope)


# --- roles and playbooks


def of_yaml(text: str) -> Iterator[tuple[str, int]]:
    """The messages of a file of tasks or variables, each with its line."""
    for document in yaml.compose_all(text, Loader=yaml.SafeLoader):
        yield from _of_node(document, "")


def _of_node(node: yaml.Node | None, action: str) -> Iterator[tuple[str, int]]:
    """Walk a node that is the value of the key ``action``."""
    if isinstance(node, yaml.SequenceNode):
        for item in node.value:
            yield from _of_node(item, action)
    elif isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            said = key.value == "fail_msg" or (key.value == "msg" and action.rpartition(".")[2] == "fail")
            if isinstance(value, yaml.ScalarNode) and (said or FAULTS.search(str(key.value))):
                for text in of_template(value.value):
                    yield text, value.start_mark.line + 1
            yield from _of_node(value, str(key.value))


def of_template(template: str) -> list[str]:
    """The texts that a Jinja template stands for: the whole, and lists of faults inside of its expressions."""
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore", DeprecationWarning
        )  # regular expressions are full of escapes that Python has not
        tree = jinja2.Environment(extensions=["jinja2.ext.do"]).parse(template)
    parts: list[list[str]] = []
    for output in tree.find_all(nodes.Output):
        for part in output.nodes:
            parts.append([part.data] if isinstance(part, nodes.TemplateData) else _of_expression(part))
    whole = ["".join(choice) for choice in itertools.islice(itertools.product(*parts), MOST_TEXTS)] if parts else []
    faults = [text for found in tree.find_all(nodes.List) for item in found.items for text in _of_expression(item)]
    # map('regex_replace', PATTERN, TEXT) makes a fault of each thing at fault.
    for found in tree.find_all(nodes.Filter):
        if found.name == "map" and len(found.args) == 3 and getattr(found.args[0], "value", "") == "regex_replace":
            faults += [re.sub(r"[\x01-\x08]", VALUE, text) for text in _of_expression(found.args[2])]
    return [*whole, *(text for text in faults if " " in text)]


def _of_expression(node: nodes.Node) -> list[str]:
    if isinstance(node, nodes.Const):
        return [str(node.value)]
    if isinstance(node, nodes.Concat):
        choices = itertools.product(*(_of_expression(part) for part in node.nodes))
        return ["".join(choice) for choice in itertools.islice(choices, MOST_TEXTS)]
    if isinstance(node, nodes.CondExpr):
        return _of_expression(node.expr1) + (_of_expression(node.expr2) if node.expr2 else [])
    return [VALUE]


# --- Julia and shells


def of_julia(text: str) -> Iterator[tuple[str, int]]:
    """The messages of a Julia program: what ``error`` is called with, and what goes into an argument of that name."""
    for found in re.finditer(r'\berror(?:\(|=(?="|string\())', text):
        ends = ")" if text[found.end() - 1] == "(" else "),"
        yield _julia_text(text, found.end(), ends), text.count("\n", 0, found.start()) + 1


def _julia_text(text: str, position: int, ends: str) -> str:
    """The text of the arguments from a position to one of ``ends``: literals as they are, all else as values."""
    said, depth = "", 0
    word = re.compile(r"[A-Za-z_][A-Za-z0-9_.!]*")
    while depth > 0 or text[position] not in ends:
        character = text[position]
        if character == '"':
            literal, position = _julia_literal(text, position + 1)
            said += literal
        elif found := word.match(text, position):
            position = found.end()
            if found[0] != "string":
                said += VALUE
                position = _behind_value(text, position) if text[position] == "(" else position
        elif character == "[":
            said += VALUE
            position = _behind_value(text, position)
        else:
            depth += {"(": 1, ")": -1}.get(character, 0)
            position += 1
    return said


def _julia_literal(text: str, position: int) -> tuple[str, int]:
    """A string literal from behind its opening quote: its text, and the position behind its closing quote."""
    said = ""
    while text[position] != '"':
        if text[position] == "\\":
            said += " " if text[position + 1] == "n" else text[position + 1]
            position += 2
        elif text[position] == "$":
            said += VALUE
            position = _behind_value(text, position + 1)
        else:
            said += text[position]
            position += 1
    return said, position + 1


def _behind_value(text: str, position: int) -> int:
    """The position behind a name or a parenthesised expression, which may hold quotes of its own."""
    if text[position] not in "([{":
        found = re.compile(r"[A-Za-z_][A-Za-z_0-9]*|[0-9*#@?!]").match(text, position)
        return found.end() if found else position
    depth = 0
    while True:
        depth += (text[position] in "([{") - (text[position] in ")]}")
        position += 1
        if depth == 0:
            return position


SAID_BY_SHELL = re.compile(r"""(?:\bdie|_say|\becho(?=[^\n]*>&2))\s+(?=["'])|\b(?:echo|printf)\s+(?='fault=)""")


def of_shell(text: str) -> Iterator[tuple[str, int]]:
    """The messages of a shell script: of ``die`` and the like, echoed to the standard error, or printed as a fault."""
    for found in SAID_BY_SHELL.finditer(text):
        quote, position, said = text[found.end()], found.end() + 1, ""
        while text[position] != quote:
            if text[position] == "$" and quote == '"':
                position = _behind_value(text, position + 1)
                said += VALUE
                continue
            if text[position] == "\\" and text[position + 1 : position + 2] in '"n$`':
                position += 1
                said += " " if text[position] == "n" else text[position]
            else:
                said += text[position]
            position += 1
        yield said.removeprefix("fault=").replace("%s", VALUE), text.count("\n", 0, found.start()) + 1
