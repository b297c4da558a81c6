"""Values from JSON and back, by cattrs, as far as they are what they should be: reports come from another machine.

Unknown fields are passed over, and missing ones have their defaults.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, TypeVar, get_args, get_origin

if TYPE_CHECKING:
    from cattrs import Converter

Many = TypeVar("Many", list[Any], dict[Any, Any])
Read = Callable[[Any], Any]
NONE: Final[Mapping[str, Any]] = {}
MOST: Final = 10**15
"""No number of a report is larger."""
MOST_ITEMS: Final = 100_000
"""Of one list: nodes, and kinds of jobs."""
MOST_ENTRIES: Final = 1000
"""Of one mapping: node types, and sentences with advice."""


def converter() -> Converter:
    """Return a converter whose numbers, lists and mappings are within bounds, and which takes no type for another.

    It raises ``ValueError``, ``TypeError``, ``KeyError`` or ``AttributeError`` for what does not fit.
    """
    # Not at the top: most commands read no report.
    from cattrs import Converter

    found = Converter(detailed_validation=False)
    as_list, as_mapping = _one_of(list), _one_of(dict)
    for kind in (str, bool):
        found.register_structure_hook(kind, _one_of(kind))
    found.register_structure_hook(int, lambda value, _: _number(value, int))
    found.register_structure_hook(float, lambda value, _: _number(value, int | float))

    def items(value: Any, kind: Any) -> tuple[Any, ...]:
        # What cattrs would take as well, such as a text, is no list.
        item, _ = get_args(kind)
        structure = found.get_structure_hook(item)
        return tuple(structure(one, item) for one in _few(as_list(value, kind), MOST_ITEMS))

    def entries(value: Any, kind: Any) -> dict[str, Any]:
        _, item = get_args(kind)
        structure = found.get_structure_hook(item)
        few = _few(as_mapping(value, kind), MOST_ENTRIES)
        return {found.structure(name, str): structure(one, item) for name, one in few.items()}

    found.register_structure_hook_func(_is_tuple, items)
    found.register_structure_hook_func(_is_mapping, entries)
    return found


def first(value: Any) -> Any:
    """Return of a list or a mapping the first of so many items as are read back, and everything else as it is."""
    if isinstance(value, dict):
        return dict(islice(value.items(), MOST_ENTRIES))
    return value[:MOST_ITEMS] if isinstance(value, list | tuple) else value


def _is_tuple(kind: Any) -> bool:
    return get_origin(kind) is tuple


def _is_mapping(kind: Any) -> bool:
    return get_origin(kind) is Mapping


def _few(value: Many, most: int) -> Many:
    if len(value) > most:
        raise ValueError(f"{len(value)} are more than {most}")
    return value


def register(
    converter: Converter, kind: type[Any], *,
    flat: str = "", reads: Mapping[str, Read] = NONE, names: Mapping[str, str] = NONE,
) -> None:  # fmt: skip
    """Tell how a class differs from its form in JSON; what it is made of must be registered before.

    :param flat: the field whose own fields stand beside the others.
    :param reads: what checks and reads a field, by its name.
    :param names: fields' names in JSON, by their own.
    """
    from cattrs import override
    from cattrs.gen import make_dict_structure_fn, make_dict_unstructure_fn

    fields: dict[str, Any] = {one: override(struct_hook=_hook(read)) for one, read in reads.items()}
    fields |= {one: override(rename=name) for one, name in names.items()}
    structure: Callable[[Any, Any], Any] = make_dict_structure_fn(kind, converter, **fields)
    unstructure: Callable[[Any], dict[str, Any]] = make_dict_unstructure_fn(kind, converter, **fields)

    def flattened(value: Any) -> dict[str, Any]:
        rest = unstructure(value)
        return {**rest.pop(flat), **rest}

    converter.register_unstructure_hook(kind, flattened if flat else unstructure)
    nested = (lambda value, _: structure({**value, flat: value}, kind)) if flat else structure
    converter.register_structure_hook(kind, nested)


def _hook(read: Read) -> Callable[[Any, Any], Any]:
    return lambda value, _: read(value)


def _one_of(kind: type) -> Callable[[Any, Any], Any]:
    def checked(value: Any, _: Any) -> Any:
        if not isinstance(value, kind):
            raise TypeError(value)
        return value

    return checked


def _number(value: Any, kind: Any) -> Any:
    if not isinstance(value, kind) or isinstance(value, bool):
        raise TypeError(value)
    if not 0 <= value <= MOST:  # Nor is it NaN.
        raise ValueError(value)
    return value
