"""From a condition to SQL over the members' table: the tree that the engine tests, node by node.

Every expression is 1 or 0 for every member. What can't be asked of members, the fields of the event at hand and of the
entry event, is missing, as it is to a segment's condition. Of a campaign's audience that would be wrong: there will be
an event. So `compile_audience` lets such tests come out as they must for the whole to hold: below a `not` they fail.
Whom that selects are all who may be admitted, and `left_open` says what it depends on.

Segments and values that take more than a column stand in `WITH` and are referred to: a statement can be read, and does
not grow without bound where segments ask for segments.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from streams.engine import rfm
from streams.engine.campaign import EVERYONE
from streams.engine.conditions import Condition
from streams.engine.conditions.condition import Node
from streams.engine.conditions.nodes import AllOf, AnyOf, Compare, InSegment, Not, refs
from streams.engine.conditions.operators import all_of, any_of, none_of
from streams.engine.conditions.records import Records
from streams.segments.sql import literals
from streams.segments.sql.asking import Asking
from streams.segments.sql.names import facets_of, is_of_event, is_reckoned
from streams.segments.sql.value import Value

TABLE = "profiles"


@dataclass(frozen=True, slots=True)
class Compiled:
    """`sql` is 1 for the members of whom the condition holds, else 0.

    `expressions` are what it refers to, by alias, each after those that it refers to itself: segments, and values that
    are reckoned.
    `left_open` are the names that can't be asked of members, where that leaves it open whether the condition holds.
    """

    sql: str
    expressions: Mapping[str, str]
    left_open: frozenset[str] = frozenset()

    def select(self, columns: str) -> str:
        """The statement that selects these columns of the members of whom it holds."""
        return f"{with_clause(self.expressions)}SELECT {columns}\nFROM {TABLE} FINAL\nWHERE {self.sql}"


def with_clause(expressions: Mapping[str, str]) -> str:
    """What goes before a `SELECT` that refers to these."""
    lines = ",\n".join(f"    {sql} AS {alias}" for alias, sql in expressions.items())
    return f"WITH\n{lines}\n" if lines else ""


def compile_condition(condition: Condition, asking: Asking) -> Compiled:
    """What selects a segment's members: its condition sees the member only. Raises `CannotAskError`."""
    writer = Writer(asking)
    return Compiled(writer.write(condition.tree), writer.expressions)


def compile_audience(condition: Condition, asking: Asking) -> Compiled:
    """What selects whom a campaign may admit, whatever its entry event says. Raises `CannotAskError`."""
    writer = Writer(asking)
    sql = writer.write(condition.tree, hoped=True)
    return Compiled(sql, writer.expressions, frozenset(writer.left_open))


@dataclass(slots=True)
class Writer:
    """Conditions being written for one statement; they share what they refer to (`Compiled.expressions`)."""

    asking: Asking
    expressions: dict[str, str] = field(default_factory=dict)
    left_open: set[str] = field(default_factory=set)
    _aliases: dict[str, str] = field(default_factory=dict)

    def write(self, node: Node, *, hoped: bool | None = None) -> str:
        """The node as an expression. `hoped` is what tests of an event come out as; None: they find nothing there."""
        match node:
            case AllOf(parts=parts):
                return all_of([self.write(part, hoped=hoped) for part in parts])
            case AnyOf(parts=parts):
                return any_of([self.write(part, hoped=hoped) for part in parts])
            case Not(part=part):
                return none_of(self.write(part, hoped=None if hoped is None else not hoped))
            case InSegment(segment=segment):
                return self.in_segment(segment)
            case Compare():
                names = {node.name, *(ref.name for ref in refs(node.operand))}
                return self._open(names, hoped) or node.operator.sql(self.value(node.name), node.operand)
            case Records():
                return self._open({node.name}, hoped) or "0"  # members have no lists
            case _:
                raise TypeError(f"no SQL for {type(node).__name__}")

    def _open(self, names: set[str], hoped: bool | None) -> str | None:
        """What a test of these names comes out as if it is left open; None if it isn't."""
        of_event = {name for name in names if is_of_event(name)}
        if hoped is None or not of_event:
            return None
        self.left_open |= of_event
        return "1" if hoped else "0"

    def value(self, name: str) -> Value:
        """What a name stands for; what is reckoned is written once, however often it is asked for."""
        facets = facets_of(name, self.asking)
        if is_reckoned(name):
            key = f"value:{name}"
            for facet in facets:
                if key not in self._aliases:
                    self._aliases[key] = self._named(name, facet.sql)
            facets = tuple(replace(facet, sql=self._aliases[key]) for facet in facets)
        return Value(name, facets, self.value)

    def _named(self, name: str, sql: str) -> str:
        """An alias for the expression that no column has, since it ends with a number."""
        slug = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")[:40]
        alias = f"{slug}_{len(self.expressions)}"
        self.expressions[alias] = sql
        return alias

    def in_segment(self, segment_id: str) -> str:
        """Whether the member is in the segment: by what was assigned, else the list, else the condition."""
        if segment_id == EVERYONE.id:
            return "1"
        alias = self._aliases.get(f"segment:{segment_id}")
        if alias is None:
            definition = self._defined(segment_id)
            quoted = literals.text(segment_id)
            sql = f"if(mapContains(segments_assigned, {quoted}), segments_assigned[{quoted}], {definition})"
            alias = self._aliases[f"segment:{segment_id}"] = self._named(f"in_{segment_id}", f"toBool({sql})")
        return alias

    def _defined(self, segment_id: str) -> str:
        segment = self.asking.segment(segment_id)
        if segment is None:
            return self._rfm(segment_id)
        if segment.where is not None:
            return self.write(segment.where.tree)
        return f"member_id IN {literals.texts(sorted(segment.members))}" if segment.members else "0"

    def _rfm(self, segment_id: str) -> str:
        found = rfm.parse(segment_id)
        if found is None:
            return "0"
        family, value = found
        return self.value(f"rfm.{family}").compared("=", value, ordered=False)
