"""What msgspec knows of a struct, as differences from a schema and as a strategy that builds it."""

from datetime import UTC, datetime
from functools import cache
from typing import Any

from hypothesis import strategies as st
from msgspec import inspect as mi

_MOMENTS = st.datetimes(datetime(1970, 1, 1), datetime(2199, 1, 1), timezones=st.just(UTC))
_TEXTS = st.text(max_size=12)
_BOUNDED: dict[str, st.SearchStrategy[Any]] = {"severity": st.integers(0, 3)}


@cache
def strategy(kind: Any) -> st.SearchStrategy[Any]:
    """Builds values of a struct type, or of a union of them, within the bounds that schemas add to types."""
    return _build(mi.type_info(kind), "")


def _build(info: mi.Type, field: str) -> st.SearchStrategy[Any]:
    if isinstance(info, mi.UnionType):
        return st.one_of([_build(option, field) for option in info.types])
    if isinstance(info, mi.StructType):
        required = {f.name: _build(f.type, f.name) for f in info.fields if f.required}
        optional = {f.name: _build(f.type, f.name) for f in info.fields if not f.required}
        return st.fixed_dictionaries(required, optional=optional).map(lambda values, make=info.cls: make(**values))
    if isinstance(info, mi.VarTupleType):
        return st.lists(_build(info.item_type, field), max_size=3).map(tuple)
    if isinstance(info, mi.DictType):
        return st.dictionaries(_TEXTS, _build(info.value_type, field), max_size=3)
    if isinstance(info, mi.LiteralType):
        return st.sampled_from(info.values)
    if isinstance(info, mi.FloatType):
        bound = 1.0 if field.endswith("confidence") else 1e9
        return st.floats(0 if bound == 1.0 else -bound, bound)
    if isinstance(info, mi.IntType):
        return _BOUNDED.get(field, st.integers(-(2**40), 2**40))
    plain = {mi.StrType: _TEXTS, mi.BoolType: st.booleans(), mi.NoneType: st.none(), mi.DateTimeType: _MOMENTS}
    return plain[type(info)]


def differences(kind: Any, schema: dict[str, Any]) -> list[str]:
    """Where a struct type (or a union of them) and a schema do not say the same."""
    return list(_differ(mi.type_info(kind), schema, schema, "#"))


def _differ(info: mi.Type, schema: Any, root: Any, path: str) -> Any:
    while "$ref" in schema:
        schema = root["$defs"][schema["$ref"].removeprefix("#/$defs/")]
    if isinstance(info, mi.UnionType):
        yield from _differ_union(info, schema, root, path)
    elif isinstance(info, mi.StructType):
        yield from _differ_struct(info, schema, root, path)
    elif isinstance(info, mi.VarTupleType):
        yield from _same(schema.get("type"), "array", path)
        yield from _differ(info.item_type, schema["items"], root, f"{path}[]")
    elif isinstance(info, mi.DictType):
        yield from _same(schema.get("type"), "object", path)
        yield from _differ(info.value_type, schema["additionalProperties"], root, f"{path}{{}}")
    elif isinstance(info, mi.LiteralType):
        yield from _same(sorted(schema.get("enum", [])), sorted(info.values), path)
    elif isinstance(info, mi.DateTimeType):
        yield from _same((schema.get("type"), schema.get("format")), ("string", "date-time"), path)
    else:
        names = {mi.StrType: "string", mi.BoolType: "boolean", mi.IntType: "integer", mi.FloatType: "number"}
        yield from _same(schema.get("type"), names[type(info)], path)


def _differ_union(info: mi.UnionType, schema: Any, root: Any, path: str) -> Any:
    nullable = [option for option in info.types if not isinstance(option, mi.NoneType)]
    if isinstance(schema.get("type"), list):  # the short way to write "or null"
        yield from _same(schema["type"][1:], ["null"], path)
        yield from _differ(nullable[0], schema | {"type": schema["type"][0]}, root, path)
        yield from _same(len(nullable), 1, path)
        return
    options = [option for option in schema["anyOf"] if option != {"type": "null"}]
    yield from _same(len(schema["anyOf"]) - len(options), len(info.types) - len(nullable), path)
    yield from _same(len(options), len(nullable), path)
    for option in options:
        closest = min((list(_differ(one, option, root, path)) for one in nullable), key=len)
        yield from closest


def _differ_struct(info: mi.StructType, schema: Any, root: Any, path: str) -> Any:
    properties = dict(schema.get("properties", {}))
    required = set(schema.get("required", []))
    if info.tag_field is not None:
        yield from _same(properties.pop(info.tag_field, {}).get("enum"), [info.tag], f"{path}/{info.tag_field}")
        yield from _same(info.tag_field in required, True, f"{path}/{info.tag_field} required")
        required.discard(info.tag_field)
    yield from _same(set(properties), {f.encode_name for f in info.fields}, f"{path} fields")
    yield from _same(required, {f.encode_name for f in info.fields if f.required}, f"{path} required")
    for field in info.fields:
        if field.encode_name in properties:
            where = f"{path}/{field.encode_name}"
            yield from _differ(field.type, properties[field.encode_name], root, where)
            yield from _same(properties[field.encode_name].get("default"), _default(field), f"{where} default")


def _default(field: mi.Field) -> Any:
    if field.required:
        return None
    value = field.default_factory() if field.default is mi.NODEFAULT else field.default
    return list(value) if isinstance(value, tuple) else value


def _same(schema_says: Any, struct_says: Any, path: str) -> Any:
    if schema_says != struct_says:
        yield f"{path}: the schema says {schema_says}, the struct {struct_says}"
