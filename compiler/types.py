"""The types of rflow, as the rest of rflow uses them.

This module owns nothing but the list of what may be used: `relations` says what fits where,
`operators` and `signatures` what an operator or a filter gives, `values` whether a value fits
and how text becomes one, `durations` how a duration is written.
"""

from rflow.compiler.durations import read_duration, show_duration
from rflow.compiler.operate import shown as show_value
from rflow.compiler.operators import a_type, apply_operator, expect, one_of
from rflow.compiler.relations import (
    TypeMismatch,
    assignable,
    comparable,
    constants,
    join,
    join_all,
    narrow,
    of_value,
    present,
    widen,
)
from rflow.compiler.signatures import Argument, apply_filter, signature
from rflow.compiler.values import check_value, read_text, storable
from rflow.plugins.notation import Signature, parse_type, show_type
from rflow.plugins.types import (
    ANY,
    ARTIFACT,
    BOOL,
    DURATION,
    FLOAT,
    INT,
    STRING,
    Constant,
    Json,
    Lambda,
    List,
    Map,
    Optional,
    Record,
    Scalar,
    Type,
    Union,
    Variable,
)

__all__ = [
    "ANY",
    "ARTIFACT",
    "BOOL",
    "DURATION",
    "FLOAT",
    "INT",
    "STRING",
    "Argument",
    "Constant",
    "Json",
    "Lambda",
    "List",
    "Map",
    "Optional",
    "Record",
    "Scalar",
    "Signature",
    "Type",
    "TypeMismatch",
    "Union",
    "Variable",
    "a_type",
    "apply_filter",
    "apply_operator",
    "assignable",
    "check_value",
    "comparable",
    "constants",
    "expect",
    "join",
    "join_all",
    "narrow",
    "of_value",
    "one_of",
    "parse_type",
    "present",
    "read_duration",
    "read_text",
    "show_duration",
    "show_type",
    "show_value",
    "signature",
    "storable",
    "widen",
]
