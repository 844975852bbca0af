"""Builds protobuf message classes from a short text, without generated code.

One message a line: `Name: field number type, …`. A type ends with `*` when it is repeated;
`{a 1 T | b 2 U} as result` is a oneof. Other messages are named by their name.
"""

from __future__ import annotations

import re
from functools import cache

from google.protobuf import descriptor_pb2, descriptor_pool, message, message_factory

__all__ = ["build"]

_FieldProto = descriptor_pb2.FieldDescriptorProto
_SCALARS = {
    "uint32": _FieldProto.TYPE_UINT32,
    "uint64": _FieldProto.TYPE_UINT64,
    "bool": _FieldProto.TYPE_BOOL,
    "string": _FieldProto.TYPE_STRING,
    "bytes": _FieldProto.TYPE_BYTES,
}
_FIELD = re.compile(r"(\w+) (\d+) (\w+)(\*?)")
_MEMBER = re.compile(r"\{(?P<choices>[^}]+)\} as (?P<oneof>\w+)|(?P<field>\w+ \d+ \w+\*?)")


@cache
def build(package: str, schema: str) -> dict[str, type[message.Message]]:
    """The message classes of a schema, by name.

    The classes follow proto2 rules, whose wire format is that of proto3: every field tells
    whether it was there (`HasField`), and text that is not UTF-8 fails when it is read, not
    when the message is parsed.
    """
    file = descriptor_pb2.FileDescriptorProto(
        name=f"{package}.proto", package=package, syntax="proto2"
    )
    for line in filter(None, map(str.strip, schema.splitlines())):
        name, _, members = line.partition(":")
        target = file.message_type.add(name=name)
        for member in _MEMBER.finditer(members):
            if member["field"]:
                _add(target, package, member["field"])
                continue
            target.oneof_decl.add(name=member["oneof"])
            for choice in member["choices"].split("|"):
                _add(target, package, choice).oneof_index = len(target.oneof_decl) - 1
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)  # pyright: ignore[reportUnknownMemberType]
    return {
        m.name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{package}.{m.name}"))
        for m in file.message_type
    }


def _add(
    target: descriptor_pb2.DescriptorProto, package: str, text: str
) -> descriptor_pb2.FieldDescriptorProto:
    found = _FIELD.fullmatch(text.strip())
    assert found, f"{target.name}: cannot read {text!r}"
    name, number, kind, repeated = found.groups()
    field = target.field.add(name=name, number=int(number))
    field.label = _FieldProto.LABEL_REPEATED if repeated else _FieldProto.LABEL_OPTIONAL
    if kind in _SCALARS:
        field.type = _SCALARS[kind]
    else:
        field.type = _FieldProto.TYPE_MESSAGE
        field.type_name = f".{package}.{kind}"
    return field
