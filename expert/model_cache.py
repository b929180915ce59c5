"""The trained model in the user's cache, under a key of everything that shapes it.

The file is a plain .npz without pickled objects: it cannot execute code.
"""

import contextlib
import hashlib
import os
import tempfile
from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path

import numpy as np
import platformdirs

from expert.classifier import Array, Model

_FORMAT = "16"
"""Of the file; part of the key."""
_SHAPING = ("assertion", "classifier", "matcher", "numerals", "patterns", "tokenizer", "training", "trigrams")
"""The modules that make features of texts and a model of features: their code is part of the key."""
_KEPT = 4
"""Models, those used last: each edit of the lexicon or the corpus makes one of some 60 MB."""
_LIBRARIES = ("scikit-learn", "sudachipy", "sudachidict-core", "numpy")


def cache_key(*parts: str) -> str:
    """Key of a model: corpus, knowledge, settings (`parts`), library versions, and the code that reads texts and trains."""
    libraries = [f"{name}={version(name)}" for name in _LIBRARIES]
    code = hashlib.sha256(b"".join([(Path(__file__).parent / f"{module}.py").read_bytes() for module in _SHAPING])).hexdigest()
    return hashlib.sha256("\n".join([_FORMAT, code, *parts, *libraries]).encode()).hexdigest()[:16]


def cache_directory() -> Path:
    """The user's cache; KAKEKOMI_CACHE overrides."""
    return Path(os.environ.get("KAKEKOMI_CACHE") or platformdirs.user_cache_dir("kakekomi"))


def cached(key: str, make: Callable[[], Model]) -> Model:
    """The model of this key from the cache, else made anew and kept. A cache that is missing, damaged or not writable costs time only."""
    file = cache_directory() / f"model-{key}.npz"
    model = _read(file, key)
    if model is not None:
        with contextlib.suppress(OSError):
            os.utime(file)  # what is used is not forgotten
        return model
    model = make()
    with contextlib.suppress(OSError):
        _write(file, model)
        _forget(file.parent)
    return model


def _forget(directory: Path) -> None:
    """Remove all models but those that were used last."""
    for old in sorted(directory.glob("model-*.npz"), key=lambda f: f.stat().st_mtime)[:-_KEPT]:
        old.unlink()


def _read(file: Path, key: str) -> Model | None:
    try:
        with np.load(file, allow_pickle=False) as data:
            return _unpack(data, key)
    except Exception:  # whatever a damaged file raises (zip, numpy, unicode, key errors): the model is made anew
        return None


def _unpack(data: Mapping[str, Array], key: str) -> Model | None:
    names = bytes(data["vocabulary"]).decode("utf-8").split("\0")
    weights = data["weights"].astype(np.float32)
    digest = hashlib.sha256(bytes(data["vocabulary"]) + data["weights"].tobytes()).hexdigest()
    if str(data["key"]) != key or str(data["digest"]) != digest or len(names) != len(weights):
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
        weights=weights,
        bias=data["bias"],
        temperature=float(data["temperature"]),
        review_below=float(data["review_below"]),
        priors=priors,
        key=key,
    )


def _write(file: Path, model: Model) -> None:
    """Written beside its name first: a reader never sees half a file."""
    names = [name for name, _ in sorted(model.vocabulary.items(), key=lambda item: item[1])]
    vocabulary = np.frombuffer("\0".join(names).encode("utf-8", "surrogatepass"), np.uint8)
    priors = {f"{s}/{f}": p for s, by_fact in model.priors.items() for f, p in by_fact.items()}
    file.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=file.parent, suffix=".tmp")
    try:
        with os.fdopen(handle, "wb") as stream:
            np.savez(
                stream,
                key=model.key,
                digest=hashlib.sha256(vocabulary.tobytes() + model.weights.tobytes()).hexdigest(),
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
            )
        os.replace(temporary, file)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise
