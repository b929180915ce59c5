"""What is slow to make, in the user's cache: the trained model, under a key of everything that shapes it, and the literals of the lexicon's patterns.

The files are a plain .npz without pickled objects and JSON: they cannot execute code.
"""

import contextlib
import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Mapping
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import IO, Any, TypeVar

import numpy as np
import platformdirs

from expert.alarm import Alarm
from expert.classifier import Array, Model
from expert.literals import Literals

_FORMAT = "18"
"""Of the file; part of the key."""
_SHAPING = ("alarm", "classifier", "corpus", "counting", "kana_kanji", "numerals", "tokenizer", "trainer", "training", "trigrams")
"""The modules that make features of texts and a model of features: their code is part of the key."""
_KEPT = 4
"""Files of a kind, those used last: each edit of the corpus makes a model of some 90 MB."""
_LIBRARIES = ("scikit-learn", "sudachipy", "sudachidict-core", "numpy")
_Made = TypeVar("_Made")


def cache_key(*parts: str) -> str:
    """Key of a model: corpus, units of kana, settings (`parts`), library versions, and the code that reads texts and trains."""
    libraries = [f"{name}={version(name)}" for name in _LIBRARIES]
    return hashlib.sha256("\n".join([_FORMAT, _code(*_SHAPING), *parts, *libraries]).encode()).hexdigest()[:16]


def _code(*modules: str) -> str:
    return hashlib.sha256(b"".join([(Path(__file__).parent / f"{module}.py").read_bytes() for module in modules])).hexdigest()


def cache_directory() -> Path:
    """The user's cache; KAKEKOMI_CACHE overrides."""
    return Path(os.environ.get("KAKEKOMI_CACHE") or platformdirs.user_cache_dir("kakekomi"))


def cached(key: str, make: Callable[[], Model]) -> Model:
    """The model of this key from the cache, else made anew and kept. A cache that is missing, damaged or not writable costs time only."""
    file = cache_directory() / f"model-{key}.npz"
    model = _read(file, key)
    if model is None:
        model = make()
        _keep(file, partial(_write, model))
    else:
        _use(file)
    return model


def with_literals(make: Callable[[Literals], _Made]) -> _Made:
    """What `make` makes of the literals of an earlier time; those that it asked for are kept for the next."""
    file = cache_directory() / f"literals-{_code('literals')[:16]}.json"
    known = _read_literals(file)
    literals = Literals(known)
    made = make(literals)
    if literals.asked != known:
        _keep(file, partial(_write_literals, literals))
    else:
        _use(file)
    return made


def _use(file: Path) -> None:
    """What is used is not forgotten."""
    with contextlib.suppress(OSError):
        os.utime(file)


def _keep(file: Path, write: Callable[[IO[bytes]], None]) -> None:
    """Write a file beside its name first, so that a reader never sees half of it, and remove all of its kind but those that were used last."""
    with contextlib.suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=file.parent, suffix=".tmp")
        try:
            with os.fdopen(handle, "wb") as stream:
                write(stream)
            os.replace(temporary, file)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
            raise
        kind = file.name.split("-")[0]
        for old in sorted(file.parent.glob(f"{kind}-*{file.suffix}"), key=lambda f: f.stat().st_mtime)[:-_KEPT]:
            old.unlink()


def _read_literals(file: Path) -> dict[str, list[str]]:
    try:
        digest, _, written = file.read_bytes().partition(b"\n")
        known = json.loads(written)
    except (OSError, ValueError):
        return {}
    return known if digest == _digest(written) else {}


def _write_literals(literals: Literals, stream: IO[bytes]) -> None:
    written = json.dumps(literals.asked, ensure_ascii=False).encode()
    stream.write(_digest(written) + b"\n" + written)


def _digest(*parts: Any) -> bytes:
    """Of bytes and arrays, one after the other."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
    return digest.hexdigest().encode()


def _read(file: Path, key: str) -> Model | None:
    try:
        with np.load(file, allow_pickle=False) as data:
            return _unpack(data, key)
    except Exception:  # whatever a damaged file raises (zip, numpy, unicode, key errors): the model is made anew
        return None


def _unpack(data: Mapping[str, Array], key: str) -> Model | None:
    vocabulary, weights = bytes(data["vocabulary"]), data["weights"]  # each look reads the file
    names = vocabulary.decode("utf-8").split("\0")
    alarm = [data[name] for name in ("alarm_gains", "alarm_bias")]
    if str(data["key"]) != key or str(data["digest"]) != _digest(vocabulary, weights, *alarm).decode() or len(names) != len(weights):
        return None
    priors: dict[str, dict[str, float]] = {}
    for name, value in zip(data["prior_names"], data["prior_values"], strict=True):
        scenario, fact = str(name).split("/")
        priors.setdefault(scenario, {})[fact] = float(value)
    return Model(
        scenarios=tuple(map(str, data["scenarios"])),
        statements=tuple((fact, "yes" if value == "yes" else "no") for fact, value in (str(s).split("=") for s in data["statements"])),
        vocabulary={name: i for i, name in enumerate(names)},
        idf=data["idf"],
        weights=weights.astype(np.float32, copy=False),
        bias=data["bias"],
        temperature=float(data["temperature"]),
        review_below=float(data["review_below"]),
        priors=priors,
        key=key,
        alarm=Alarm(alarm[0], float(alarm[1])) if len(alarm[0]) else None,
    )


def _write(model: Model, stream: IO[bytes]) -> None:
    names = [name for name, _ in sorted(model.vocabulary.items(), key=lambda item: item[1])]
    vocabulary = np.frombuffer("\0".join(names).encode("utf-8", "surrogatepass"), np.uint8)
    alarm = model.alarm or Alarm(np.zeros(0, np.float32), 0.0)
    kept = [alarm.gains, np.array(alarm.bias)]
    priors = {f"{s}/{f}": p for s, by_fact in model.priors.items() for f, p in by_fact.items()}
    np.savez(
        stream,
        key=model.key,
        digest=_digest(vocabulary, np.ascontiguousarray(model.weights), *kept).decode(),
        scenarios=np.array(model.scenarios),
        statements=np.array(["=".join(s) for s in model.statements]),
        vocabulary=vocabulary,
        idf=model.idf,
        weights=model.weights,
        bias=model.bias,
        temperature=model.temperature,
        review_below=model.review_below,
        prior_names=np.array(list(priors)),
        prior_values=np.array(list(priors.values())),
        alarm_gains=alarm.gains,
        alarm_bias=np.array(alarm.bias),
    )
