# Licensed under the Apache License, Version 2.0 (the "License"); you may
# not use this file except in compliance with the License. You may obtain
# a copy of the License at
#
#      http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS, WITHOUT
# WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the
# License for the specific language governing permissions and limitations
# under the License.

"""The filter language of get_all_records_where (xen-api's db_filter_lex.mll and _parse.mly).

    expression := expression ("and" | "or") expression     same precedence, grouping to the left
                | "not" expression | "(" expression ")" | "true" | "false"
                | value "=" value
    value      := field "NAME" | "LITERAL"

Literals stand in double quotes and know no escapes; words are case-sensitive.
"""

from __future__ import annotations

import re
from typing import Callable, Dict, List, Tuple

from nova_swift_handler.sandbox.xapi import errors
from nova_swift_handler.sandbox.xapi.records.database import Database, Values
from nova_swift_handler.sandbox.xapi.records.schema import Schema

Predicate = Callable[[Values], bool]
_Value = Callable[[Values], str]

_TOKEN = re.compile(r'\s*(?:(?P<word>field|and|or|not|true|false)\b|"(?P<text>[^"]*)"'
                    r"|(?P<mark>[()=]))")


def _tokens(text: str) -> List[Tuple[str, str]]:
    tokens, position, end = [], 0, len(text.rstrip())
    while position < end:
        match = _TOKEN.match(text, position)
        if match is None:
            raise errors.ApiError("INVALID_VALUE", "expr", text)
        kind = str(match.lastgroup)
        tokens.append((kind, match.group(kind)))
        position = match.end()
    return tokens


class _Parser:
    def __init__(self, schema: Schema, text: str):
        self._schema = schema
        self._text = text
        self._rest = _tokens(text)

    def parse(self) -> Predicate:
        found = self._expression()
        if self._rest:
            raise self._invalid()
        return found

    def _invalid(self) -> errors.ApiError:
        return errors.ApiError("INVALID_VALUE", "expr", self._text)

    def _take(self) -> Tuple[str, str]:
        if not self._rest:
            raise self._invalid()
        return self._rest.pop(0)

    def _expression(self) -> Predicate:
        left = self._term()
        while self._rest and self._rest[0] in (("word", "and"), ("word", "or")):
            left = _combine(self._take()[1], left, self._term())
        return left

    def _term(self) -> Predicate:
        token = self._rest[0] if self._rest else self._take()
        if token == ("mark", "("):
            self._take()
            inner = self._expression()
            if self._take() != ("mark", ")"):
                raise self._invalid()
            return inner
        if token == ("word", "not"):
            self._take()
            negated = self._term()
            return lambda row: not negated(row)
        if token in (("word", "true"), ("word", "false")):
            answer = self._take()[1] == "true"
            return lambda _row: answer
        left = self._value()
        if self._take() != ("mark", "="):
            raise self._invalid()
        right = self._value()
        return lambda row: left(row) == right(row)

    def _value(self) -> _Value:
        kind, text = self._take()
        if kind == "text":
            return lambda _row: text
        if (kind, text) != ("word", "field"):
            raise self._invalid()
        kind, name = self._take()
        if kind != "text":
            raise self._invalid()
        if name == "_ref":
            return lambda row: str(row["_ref"])
        try:
            field = self._schema.by_db_name(name)
        except KeyError:
            raise errors.internal_error(
                'Db_exn.DBCache_NotFound("missing column", "%s", "%s")'
                % (self._schema.name, name)) from None
        return lambda row: field.filter_text(row[field.name])


def _combine(word: str, left: Predicate, right: Predicate) -> Predicate:
    if word == "and":
        return lambda row: left(row) and right(row)
    return lambda row: left(row) or right(row)


def compile_filter(schema: Schema, text: str) -> Predicate:
    """Turn an expression into a test of records; ``_ref`` must be among a record's keys.

    Raises INVALID_VALUE for bad grammar, INTERNAL_ERROR for fields the class lacks.
    """
    return _Parser(schema, text).parse()


def select(database: Database, cls: str, text: str) -> Dict[str, Values]:
    """The records of ``cls`` for which the expression holds, by ref."""
    matches = compile_filter(database.schemas[cls], text)
    found = {}
    with database.lock:
        for ref in database.refs(cls):
            record = database.record(cls, ref)
            if matches(dict(record, _ref=ref)):
                found[ref] = record
    return found
