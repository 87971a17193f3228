"""Scalar types and their texts."""
FLOATS = ["f32", "f64", "f16", "bf16"]
INTS = ["i8", "i16", "i32", "i64", "u8", "u16", "u32", "u64"]
BITS = {"f32": "u32", "f64": "u64", "f16": "u16", "bf16": "u16"}


def is_number(scalar):
    return scalar in FLOATS or scalar in INTS


def tensor(scalar, shape):
    return f"{scalar}[{', '.join(map(str, shape))}]" if shape else scalar
