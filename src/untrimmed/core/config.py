"""Settings: from mappings to frozen dataclasses, strictly, and back.

A schema is an ordinary frozen dataclass that stands beside the code it sets; its defaults are the
only ones.  pydantic checks the types and forbids what the schema does not name.  Ours are the
messages, and the choice of a module by its name: a field `Annotated[T, Choice(package)]` takes a
mapping whose `name` is a module with a dataclass `Config`, which takes the rest.  `OneOf` marks a
field that is one of two dataclasses.

This module knows no schema, and what a value means (a rate above 0, say) is said in the
`__post_init__` of the dataclass, by a ValueError (`core.bounds`).  Settings as text are in
`core.settings_text`.
"""

from __future__ import annotations

import difflib
import importlib
import pkgutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from types import GenericAlias, ModuleType, UnionType
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin, get_type_hints

from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic_core import CoreSchema, ErrorDetails, core_schema

from untrimmed.core.errors import ConfigError, got

T = TypeVar("T")
Place = tuple[str | int, ...]


@dataclass(frozen=True)
class Choice:
    """Marks a field whose value is the `Config` of a module chosen by name.

    `{name: video_swin, size: base}` loads `Config(size="base")` of the module `video_swin` of the
    package; a name with a dot, `my_lab.nets`, is that module, wherever it is.  `Config` must not
    have a field called `name`.

    Args:
        package: the package whose modules need no dot, as in "untrimmed.nn.encoders".
    """

    package: str

    def names(self) -> tuple[str, ...]:
        """The modules of the package, in alphabetical order, without private ones."""
        found = pkgutil.iter_modules(importlib.import_module(self.package).__path__)
        return tuple(sorted(module.name for module in found if not module.name.startswith("_")))

    def module(self, name: str) -> ModuleType:
        """The module of that name, imported.

        Raises:
            ConfigError: if there is none, or it fails when imported.
        """
        path = name if "." in name else f"{self.package}.{name}"
        if "." not in name and name not in self.names():
            raise ConfigError(f"{self.package} has no module {name}{_hint(name, self.names())}")
        try:
            return importlib.import_module(path)
        except Exception as error:
            missing = error.name if isinstance(error, ModuleNotFoundError) else None
            if missing is not None and f"{path}.".startswith(f"{missing}."):
                raise ConfigError(
                    f"there is no module {path}: is it installed, or on PYTHONPATH?"
                ) from error
            what = f"{type(error).__name__}: {error}"
            raise ConfigError(f"the import of {path} failed with {what}") from error

    def config(self, name: str) -> type[Any]:
        """The dataclass `Config` of the module of that name.

        Raises:
            ConfigError: if there is no such module, or no such dataclass in it.
        """
        config = getattr(self.module(name), "Config", None)
        if not (isinstance(config, type) and is_dataclass(config)):
            raise ConfigError(f"the module {name} has no dataclass called Config")
        return config

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> CoreSchema:
        """How pydantic loads and dumps the field; the type that it annotates is not looked at."""
        return core_schema.no_info_plain_validator_function(
            self._load, serialization=core_schema.plain_serializer_function_ser_schema(self._dump)
        )

    def _load(self, value: Any) -> Any:
        if not isinstance(value, Mapping):
            raise ConfigError(f"wanted a mapping with a name, as in {{name: ...}}{got(value)}")
        if not isinstance(value.get("name"), str):
            listed = ", ".join(self.names())
            raise ConfigError(f"missing; choose a module of {self.package}: {listed}", path="name")
        try:
            config = self.config(value["name"])
        except ConfigError as error:
            raise ConfigError(str(error), path="name") from error
        rest = {key: item for key, item in value.items() if key != "name"}
        return _adapter(config).validate_python([rest])[0]

    def _dump(self, value: Any) -> dict[str, Any]:
        module = type(value).__module__
        short = module.removeprefix(f"{self.package}.")
        return {"name": module if "." in short else short, **dump(value)}


@dataclass(frozen=True)
class OneOf:
    """Marks a field that is one of two dataclasses, told apart by a setting that one must have.

    Args:
        key: the setting.
        having: the dataclass of mappings that have it.
        lacking: the dataclass of all others.
    """

    key: str
    having: type[Any]
    lacking: type[Any]

    def config(self, value: Any) -> type[Any]:
        """The dataclass that a mapping is meant for."""
        return self.having if isinstance(value, Mapping) and self.key in value else self.lacking

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> CoreSchema:
        """How pydantic loads and dumps the field; the type that it annotates is not looked at."""
        return core_schema.no_info_plain_validator_function(
            lambda value: _adapter(self.config(value)).validate_python([value])[0],
            serialization=core_schema.plain_serializer_function_ser_schema(dump),
        )


def load(schema: type[T], data: Mapping[str, Any], *, source: str = "") -> T:
    """A dataclass from a mapping of its settings.

    Text is read as a number where one is wanted, for YAML takes `1e-4` for text; true and false
    are never numbers.

    Args:
        schema: a dataclass; its fields may be dataclasses, and containers and unions of them.
        source: where the settings come from, such as the name of a file, for the messages.

    Raises:
        ConfigError: naming every setting that is unknown, missing or of a wrong type or value;
            its `path` is the first of them.
    """
    try:
        value: T = _adapter(schema).validate_python([data])[0]
    except ValidationError as error:
        raise _refusal(_faults(schema, data, error), source) from error
    faults = dict(_misplaced_truths(data, dump(value), ()))
    if faults:
        raise _refusal(faults, source)
    return value


def dump(value: Any) -> dict[str, Any]:
    """A dataclass as a plain mapping, every default spelled out.

    It holds only what YAML can: tuples become lists, paths text.  `load(type(x), dump(x)) == x`.
    """
    plain: dict[str, Any] = _adapter(type(value)).dump_python([value], mode="json")[0]
    return plain


def _adapter(schema: Any) -> TypeAdapter[list[Any]]:
    # pydantic takes no settings for a dataclass that is not its own, but hands those of a list
    # down to all plain dataclasses within.
    listed: Any = GenericAlias(list, (schema,))
    return TypeAdapter(listed, config=ConfigDict(extra="forbid"))


def _refusal(faults: Mapping[str, str], source: str) -> ConfigError:
    """The error that reports messages by path."""
    lines = [f"{path}: {message}" if path else message for path, message in faults.items()]
    if len(lines) > 1:
        lines = ["\n  ".join([f"{len(lines)} settings are wrong", *lines])]
    error = ConfigError(f"{source}: {lines[0]}" if source else lines[0])
    error.path = next(iter(faults))
    return error


def _faults(schema: type[Any], data: Any, error: ValidationError) -> dict[str, str]:
    """What is wrong, by the path of the setting; the branches of a union are one fault."""
    wanted: dict[str, list[str]] = {}
    faults: dict[str, str] = {}
    for detail in error.errors(include_url=False):
        place = _place(detail, data)
        path = _dotted(place)
        kind = _kind_wanted(detail)
        if kind is not None:
            wanted.setdefault(path, []).append(kind)
            faults[path] = f"wanted {' or '.join(wanted[path])}{got(detail['input'])}"
            continue
        match detail["type"]:
            case "missing":
                message = "missing, and it has no default"
            case "unexpected_keyword_argument":
                known = _settings_at(schema, data, place[:-1])
                message = f"no such setting{_hint(str(place[-1]), known)}"
            case "value_error":
                reason = detail["ctx"]["error"]
                inside = reason.path if isinstance(reason, ConfigError) else ""
                path = ".".join(filter(None, [path, inside]))
                message = str(reason).removeprefix(f"{inside}: ")
            case _:
                message = f"{detail['msg']}{got(detail['input'])}"
        faults.setdefault(path, message)
    return faults


def _place(detail: ErrorDetails, data: Any) -> Place:
    """Where in `data` an error is, without what pydantic adds: branches of unions, our lists."""
    place: list[str | int] = []
    here = data
    for part in detail["loc"]:
        if part in (here if isinstance(here, Mapping) else range(_length(here))):
            here = here[part]
            place.append(part)
    if detail["type"] == "missing":
        place.append(detail["loc"][-1])
    return tuple(place)


def _length(value: Any) -> int:
    return len(value) if isinstance(value, list | tuple) else 0


def _dotted(place: Place) -> str:
    return ".".join(map(str, place))


_KINDS = {
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "string": "text",
    "list": "a list",
    "tuple": "a list",
    "dict": "a mapping",
    "dataclass": "a mapping of settings",
    "path": "a path",
    "none": "null",
}


def _kind_wanted(detail: ErrorDetails) -> str | None:
    kind, _, reason = detail["type"].partition("_")
    if kind == "literal":
        return str(detail["ctx"]["expected"])
    if reason in ("type", "parsing", "from_float", "required"):
        return _KINDS.get(kind)
    return None


def _settings_at(annotation: Any, data: Any, place: Place) -> tuple[str, ...]:
    """Names of the settings that the mapping at `place` may have; none if it cannot be told."""
    chosen: tuple[str, ...] = ()
    if get_origin(annotation) is Annotated:
        for mark in get_args(annotation)[1:]:
            if isinstance(mark, Choice):
                annotation, chosen = mark.config(data["name"]), ("name",)
            elif isinstance(mark, OneOf):
                annotation = mark.config(data)
    if is_dataclass(annotation):
        if not place:
            return chosen + tuple(field.name for field in fields(annotation) if field.init)
        hints = get_type_hints(annotation, include_extras=True)
        return _settings_at(hints[str(place[0])], data[place[0]], place[1:])
    if get_origin(annotation) not in (Annotated, Union, UnionType):  # a list or a mapping
        if not place or not get_args(annotation):
            return ()
        data, place = data[place[0]], place[1:]
    inner = (_settings_at(part, data, place) for part in get_args(annotation))
    return next(filter(None, inner), ())


def _misplaced_truths(data: Any, plain: Any, place: Place) -> Iterator[tuple[str, str]]:
    """Where true or false was taken for a number, or something else for one of them.

    pydantic does so, and `clip_norm: false` would clip every gradient to nothing.
    """
    if isinstance(data, Mapping) and isinstance(plain, Mapping):
        for key, item in data.items():
            yield from _misplaced_truths(item, plain.get(key), (*place, key))
    elif isinstance(data, list | tuple) and isinstance(plain, list):
        for index, (item, taken) in enumerate(zip(data, plain, strict=False)):
            yield from _misplaced_truths(item, taken, (*place, index))
    elif isinstance(data, bool) != isinstance(plain, bool):
        wanted = "true or false" if isinstance(plain, bool) else "a number"
        yield _dotted(place), f"wanted {wanted}{got(data)}"


def _hint(name: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    if near:
        return f"; did you mean {near[0]}?"
    return f"; there are: {', '.join(known)}" if known else ""
