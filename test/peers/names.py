"""Names and types of MLR for those of the source."""
import re

RESERVED = set("""and assert assume automaton const continue eby else enum every extern false fby final for fun guarantee if import
initial last match merge node not or pre reset scan struct then true unless when at derivative resume state until with""".split())
BUILTIN = set("""at concat where shl shr bitand bitor bitxor bits sum prod max min mean all any argmax argmin hold count pack unpack
window split join abs sqrt floor ceil round fma map reduce grad i8 i16 i32 i64 u8 u16 u32 u64 f16 bf16 f32 f64 bool math""".split())
BASE = {"int": "i32", "bool": "bool", "int8": "i8", "int16": "i16", "int32": "i32", "int64": "i64", "uint8": "u8",
        "uint16": "u16", "uint32": "u32", "uint64": "u64", "float32": "f32", "float64": "f64"}
INTEGERS = {"int", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"}
BITS = {"and": "bitand", "or": "bitor", "xor": "bitxor"}
MODULE = re.compile(r"(?:[A-Z][A-Za-z0-9_']*\.)*")
SIGNS = {"=": "==", "<>": "!=", "xor": "!="}
EXACT = {"floor": "floor", "ceil": "ceil"}


def mangle(name):
    name = name.replace("'", "_q").replace(".", "_")
    return name + "_v" if name in RESERVED else name


def node_name(name):
    table = {"+": "plus", "-": "minus", "*": "times", "/": "over", ".": "dot", "=": "eq", "<": "lt", ">": "gt", "&": "and"}
    module, name = MODULE.match(name).group(), name[MODULE.match(name).end():]
    if module:
        return mangle(module) + node_name(name)
    if not (name[0].isalpha() or name[0] == "_"):
        return "op_" + "_".join(table.get(c, "x") for c in name)
    name = mangle(name)
    return name + "_n" if name in BUILTIN or name in RESERVED else name


def is_operator(name):
    name = name[MODULE.match(name).end():]
    return not (name[0].isalpha() or name[0] == "_") or name in ("not", "or", "xor")
