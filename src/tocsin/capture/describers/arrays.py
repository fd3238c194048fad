"""Arrays, tensors and data frames: their shape, the type of their items leave; no item, no name of a column.

Shapes and types of items are kept in the objects, where getters written in C read them: of the genuine classes only.
A tensor's may be overridden by what derives from it, so of those the type is told alone.
"""

from __future__ import annotations

from types import WrapperDescriptorType
from typing import TYPE_CHECKING, Any, Final

from tocsin.capture import anatomy
from tocsin.capture.describers.registry import Rule
from tocsin.event.typename import type_name

if TYPE_CHECKING:
    from tocsin.capture.values import Values

__all__ = ["RULES"]

_PLANE: Final = 2
_NDARRAY: Final = "numpy.ndarray"
_PLAIN: Final = frozenset(map(id, (bool, int, float, complex, str, bytes)))


def _array(values: Values, value: Any, depth: int) -> str:
    shape, strides = anatomy.read(value, "shape"), anatomy.read(value, "strides")
    return f"<{type_name(type(value))} {_item(anatomy.read(value, 'dtype'))} {shape}, strides {strides}>"


def _item(dtype: Any) -> str:
    """Return the name of an array's items' type: a class, which dtype holds; its own name is made by Python code."""
    sort = anatomy.read(dtype, "type")
    return type_name(sort).removeprefix("numpy.") if issubclass(type(sort), type) else "?"


def _scalar(values: Values, value: Any, depth: int) -> str:
    item = anatomy.called(value, "item")
    return f"{type_name(type(value))}({values.text(item, 0)})" if id(type(item)) in _PLAIN else ""


def _tensor(values: Values, value: Any, depth: int) -> str:
    shape = anatomy.read(value, "shape")
    sizes = tuple(tuple.__iter__(shape)) if issubclass(type(shape), tuple) else "?"
    parts = [part for part in (_c_text(anatomy.read(value, name)) for name in ("dtype", "device")) if part]
    return f"<{type_name(type(value))} {sizes}{', ' if parts else ''}{', '.join(parts)}>"


def _c_text(value: Any) -> str:
    """Return what a class written in C says of its object; a text as it is."""
    if type(value) is str:
        return value
    own = anatomy.namespace(type(value)).get("__repr__")
    text = own(value) if type(own) is WrapperDescriptorType else ""
    return text if type(text) is str else ""


def _frame(values: Values, value: Any, depth: int) -> str:
    blocks = _blocks(value)
    if blocks is None:
        return ""
    columns = sum(shape[0] if len(shape) == _PLANE else 1 for shape in blocks)
    shown = f"{_rows(value, blocks, 1)} rows, {columns:,} column{'' if columns == 1 else 's'}"
    return f"<{type_name(type(value))} of {shown}>"


def _series(values: Values, value: Any, depth: int) -> str:
    blocks = _blocks(value)
    return "" if blocks is None else f"<{type_name(type(value))} of {_rows(value, blocks, 0)}>"


def _rows(value: Any, blocks: list[tuple[int, ...]], axis: int) -> str:
    number = next((shape[-1] for shape in blocks if shape), None)
    number = _length(value, axis) if number is None else number
    return "?" if number is None else f"{number:,}"


def _managed(value: Any, name: str) -> Any:
    """Return what pandas' manager of blocks holds: a table's in C, a series' in its dict."""
    manager: Any = dict.get(anatomy.stored(value), "_mgr")
    found = anatomy.read(manager, name)
    return anatomy.member(manager, name) if found is None else found


def _blocks(value: Any) -> list[tuple[int, ...]] | None:
    """Return the shapes of pandas' blocks of columns, as far as they are numpy's; of others the empty one."""
    blocks = _managed(value, "blocks")
    if type(blocks) is not tuple:
        return None
    return [_shape(anatomy.read(block, "values")) for block in blocks]


def _shape(block: Any) -> tuple[int, ...]:
    held = block if _is_array(block) else anatomy.read(block, "_ndarray")
    shape = anatomy.read(held, "shape") if _is_array(held) else None
    return shape if type(shape) is tuple else ()


def _is_array(value: Any) -> bool:
    return any(type_name(cls) == _NDARRAY and anatomy.is_genuine(cls, _NDARRAY) for cls in anatomy.mro(type(value)))


def _length(value: Any, axis: int) -> int | None:
    """Return how long an axis is, where its labels are a range or numpy's."""
    axes = _managed(value, "axes")
    index = axes[axis] if type(axes) is list and len(axes) > axis else None
    labels, data = (anatomy.member(index, name) for name in ("_range", "_data"))
    if type(labels) is range:
        return len(labels)
    shape = _shape(data)
    return shape[0] if shape else None


RULES: Final[dict[str, Rule]] = {
    _NDARRAY: Rule(_array, is_c=True),
    "numpy.generic": Rule(_scalar, is_c=True),
    "torch.Tensor": Rule(_tensor, is_exact=True, is_c=True),
    "torch.nn.parameter.Parameter": Rule(_tensor, is_exact=True, is_c=True),
    "pandas.DataFrame": Rule(_frame, is_c=True),
    "pandas.Series": Rule(_series, is_c=True),
    "pandas.core.frame.DataFrame": Rule(_frame, is_c=True),
    "pandas.core.series.Series": Rule(_series, is_c=True),
}
