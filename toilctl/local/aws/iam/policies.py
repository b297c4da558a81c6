"""IAM policies as a pure function: whether a set of documents allows an action on a resource.

Follows "Policy evaluation logic" and "IAM JSON policy elements: condition operators" of the IAM user guide for
identity-based policies in one account: an explicit Deny wins, otherwise one Allow is needed. Condition keys and
actions compare without case, resources with case.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import cache
from typing import Any

Context = Mapping[str, str | Sequence[str]]
"""Condition keys, in lower case, with their values; a sequence is a multivalued key such as aws:TagKeys."""

_VARIABLE = re.compile(r"\$\{([^}]+)\}")


class Decision(Enum):
    """What the policies say; the value is how AWS ends the sentence of a refusal, with the action's name in it."""

    ALLOWED = "allowed"
    IMPLICITLY_DENIED = "because no identity-based policy allows the {action} action"
    EXPLICITLY_DENIED = "with an explicit deny in an identity-based policy"


@dataclass(frozen=True)
class Judgement:
    """What the policies say, and the ids of the statements that allow it."""

    decision: Decision
    allowing: tuple[str, ...] = ()


def decide(documents: Iterable[Mapping[str, Any]], action: str, resource: str, context: Context) -> Decision:
    """Evaluate policy documents for one action (``ec2:RunInstances``) on one resource (an ARN, or ``*``)."""
    return judge(documents, action, resource, context).decision


def judge(documents: Iterable[Mapping[str, Any]], action: str, resource: str, context: Context) -> Judgement:
    """Evaluate as ``decide`` does, and say which statements allow it; one without a Sid is an empty word."""
    allowing = []
    for document in documents:
        for statement in _listed(document.get("Statement")):
            if not _applies(statement, action, resource, context):
                continue
            if statement["Effect"] == "Deny":
                return Judgement(Decision.EXPLICITLY_DENIED)
            allowing.append(str(statement.get("Sid", "")))
    return Judgement(Decision.ALLOWED if allowing else Decision.IMPLICITLY_DENIED, tuple(allowing))


def _applies(statement: Mapping[str, Any], action: str, resource: str, context: Context) -> bool:
    return (
        _action_matches(statement, action)
        and _resource_matches(statement, resource, context)
        and all(
            _condition_holds(operator, key.lower(), [_expand(v, context) for v in _strings(wanted)], context)
            for operator, keys in (statement.get("Condition") or {}).items()
            for key, wanted in keys.items()
        )
    )


def _action_matches(statement: Mapping[str, Any], action: str) -> bool:
    if "NotAction" in statement:
        return not any(_like(pattern.lower(), action.lower()) for pattern in _strings(statement["NotAction"]))
    return any(_like(pattern.lower(), action.lower()) for pattern in _strings(statement.get("Action")))


def _resource_matches(statement: Mapping[str, Any], resource: str, context: Context) -> bool:
    if "NotResource" in statement:
        return not any(_like(_expand(p, context), resource) for p in _strings(statement["NotResource"]))
    return any(_like(_expand(pattern, context), resource) for pattern in _strings(statement.get("Resource")))


def _condition_holds(operator: str, key: str, wanted: list[str], context: Context) -> bool:
    qualifier, _, name = operator.rpartition(":")
    present = key in context
    values = _strings(context.get(key))
    if name == "Null":
        return present != (wanted[0].lower() == "true")
    if name.endswith("IfExists"):
        name = name.removesuffix("IfExists")
        if not present:
            return True
    test, negated = _operator(name)
    if qualifier == "ForAllValues":
        return all(_matches(test, value, wanted) != negated for value in values)
    if not values:
        return negated and not qualifier
    return any(_matches(test, value, wanted) != negated for value in values)


def _matches(test: Callable[[str, str], bool], value: str, wanted: list[str]) -> bool:
    return any(test(pattern, value) for pattern in wanted)


def _operator(name: str) -> tuple[Callable[[str, str], bool], bool]:
    """Return an operator's test of (policy's value, request's value), and whether it is the negated form.

    :raises ValueError: for one that this evaluator does not know; guessing would grant or deny wrongly.
    """
    positive = re.sub(r"Not(?=Equals|Like|IpAddress)", "", name)
    if positive not in _TESTS:
        raise ValueError(f"the rehearsal cloud does not know the condition operator {name}")
    return _TESTS[positive], positive != name


def _in_network(network: str, address: str) -> bool:
    return ipaddress.ip_address(address) in ipaddress.ip_network(network, strict=False)


@cache
def _pattern(text: str) -> re.Pattern[str]:
    return re.compile("".join({"*": ".*", "?": "."}.get(c, re.escape(c)) for c in text), re.DOTALL)


def _like(pattern: str, value: str) -> bool:
    return _pattern(pattern).fullmatch(value) is not None


def _arn_like(pattern: str, value: str) -> bool:
    """Compare ARNs part by part: a ``*`` does not reach over a colon of the first five."""
    patterns, values = pattern.split(":", 5), value.split(":", 5)
    return len(patterns) == len(values) and all(map(_like, patterns, values))


_TESTS: dict[str, Callable[[str, str], bool]] = {
    "StringEquals": lambda wanted, value: wanted == value,
    "StringEqualsIgnoreCase": lambda wanted, value: wanted.lower() == value.lower(),
    "StringLike": _like,
    "ArnEquals": _arn_like,
    "ArnLike": _arn_like,
    "Bool": lambda wanted, value: wanted.lower() == value.lower(),
    "NumericEquals": lambda wanted, value: float(value) == float(wanted),
    "NumericLessThan": lambda wanted, value: float(value) < float(wanted),
    "NumericLessThanEquals": lambda wanted, value: float(value) <= float(wanted),
    "NumericGreaterThan": lambda wanted, value: float(value) > float(wanted),
    "NumericGreaterThanEquals": lambda wanted, value: float(value) >= float(wanted),
    "IpAddress": _in_network,
}


def _expand(text: str, context: Context) -> str:
    """Put the request's values in the place of policy variables such as ``${aws:PrincipalTag/team}``."""

    def value(match: re.Match[str]) -> str:
        key = match[1]
        if key in ("*", "?", "$"):
            return key
        return next(iter(_strings(context.get(key.lower()))), match[0])

    return _VARIABLE.sub(value, text) if "${" in text else text


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


def _strings(value: Any) -> list[str]:
    items = value if isinstance(value, (tuple, set, frozenset)) else _listed(value)
    return [str(item).lower() if isinstance(item, bool) else str(item) for item in items]
