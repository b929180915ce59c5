"""The work folder beside the output: finished chunks on the disk, so that a run that was killed goes on where it stopped.

.OUT.kakekomi/            hidden, beside OUT, on the same disk, for its owner alone
    manifest.json         what was asked for: input fingerprint, options, versions
    00000012.arrow        chunk 12, answered: appears under its name only when it is whole and on the disk
    output                the file that becomes OUT; `whole` beside it says that all of it is on the disk
    stdin                 standard input, kept so that it can be read twice
    lock                  held by the run that works here
"""

import contextlib
import errno
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO

import pyarrow as pa

from expert.batch.tally import Tally
from expert.errors import InputError, KakekomiError

_TALLY = b"kakekomi.tally"
_COMPRESSION = pa.ipc.IpcWriteOptions(compression="zstd")
MEANINGS = {
    "input": "入力の中身",
    "knowledge": "知識(rules/)",
    "model": "学習した模型",
    "program": "kakekomi の版(プログラム)",
    "options": "オプション",
    "kind": "出力の形式",
}


@contextlib.contextmanager
def disk_errors(place: Path) -> Iterator[None]:
    """A full or failing disk as one clear sentence.

    Raises KakekomiError (exit code 1), saying that --resume goes on.
    """
    try:
        yield
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT) or "No space left" in str(error)
        reason = "ディスクがいっぱいです" if full else f"書けませんでした({error.strerror or error})"
        todo = "空きを作ってから" if full else "書けるようにしてから"
        raise KakekomiError(f"{place}: {reason}。{todo}、同じコマンドに --resume をつけると続きから始まります。") from error


class Journal:
    """Chunks of one run. `open` it, `put` chunks in any order, read them back in order, `finish` with the output."""

    def __init__(self, output: Path) -> None:
        self.output = output
        self.folder = output.parent / f".{output.name}.kakekomi"
        self.stdin = self.folder / "stdin"
        self.part = self.folder / "output"
        self._manifest = self.folder / "manifest.json"
        self._whole = self.folder / "whole"
        self._lock: int | None = None

    @property
    def exists(self) -> bool:
        """Whether there is something to go on with."""
        return self._manifest.exists() or self._whole.exists()

    def finished(self) -> Tally | None:
        """The counts of a run whose output took its name and that only did not tidy up."""
        if self._whole.exists() and not self.part.exists() and self.output.exists():
            return Tally.from_json(self._whole.read_bytes())
        return None

    def enter(self, *, fresh: bool) -> None:
        """Make the folder (empty if `fresh`) and lock it.

        Raises InputError if it cannot be made, or if another run works there.
        """
        try:
            self.folder.mkdir(mode=0o700, exist_ok=True)  # it holds what people wrote
            self._take_lock()
            if fresh:
                self._clear()
        except OSError as error:
            raise InputError(f"{self.output.parent} に書けません({error.strerror})。書ける場所を -o で指定してください。") from error

    def _take_lock(self) -> None:
        self._lock = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            import fcntl

            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except ImportError:  # Windows: no lock, so do not start the same job twice
            return
        except OSError as error:
            raise InputError(f"{self.output} は、いま別の kakekomi が作っています。終わるのを待ってください。") from error

    def _clear(self) -> None:
        for file in self.folder.iterdir():
            if file.name != "lock":
                file.unlink()

    def agree(self, manifest: Mapping[str, str]) -> None:
        """Write the manifest, or compare it with that of the run to go on with.

        Raises InputError saying what differs: chunks of two different runs must not be mixed.
        """
        if not self.exists:
            self._write(self._manifest, json.dumps(dict(manifest), ensure_ascii=False, indent=1).encode())
            return
        before = json.loads(self._manifest.read_text(encoding="utf-8"))
        changed = [MEANINGS.get(key, key) for key in manifest if manifest[key] != before.get(key)]
        if changed:
            raise InputError(f"続きからは始められません。前回と{'、'.join(changed)}が違います。--force をつけると初めからやり直します。")

    @property
    def is_empty(self) -> bool:
        """No chunk is done yet."""
        return not any(self.folder.glob("*.arrow"))

    def keep_stdin(self, stream: IO[bytes]) -> Path:
        """Standard input as a file (whole or not at all); what an earlier run kept is used again."""
        if not self.stdin.exists():
            temporary = self.stdin.with_suffix(".tmp")
            with temporary.open("wb") as file:
                shutil.copyfileobj(stream, file, 1 << 20)
            os.replace(temporary, self.stdin)
        return self.stdin

    def has(self, number: int) -> bool:
        """Whether a chunk was kept, whole or not."""
        return self._file(number).exists()

    def put(self, number: int, chunk: bytes) -> None:
        """Keep a chunk: it survives a power cut from here on."""
        self._write(self._file(number), chunk)

    def load(self, number: int) -> tuple[pa.RecordBatch, Tally]:
        """Chunk and counts. Raises KakekomiError if it is damaged."""
        try:
            with pa.ipc.open_stream(self._file(number).read_bytes()) as reader:
                batch = reader.read_next_batch()
                return batch, Tally.from_json(reader.schema.metadata[_TALLY])
        except (pa.ArrowInvalid, StopIteration, ValueError, KeyError, TypeError) as error:
            self._file(number).unlink(missing_ok=True)
            raise KakekomiError(f"途中結果 {self._file(number)} が壊れていたので捨てました。--resume で、その分だけやり直せます。") from error

    def finish(self, tally: Tally) -> None:
        """Give the written output its name. Called again after a kill at any point, it ends in the same state."""
        _sync(self.part)
        self._write(self._whole, tally.to_json().encode())
        os.replace(self.part, self.output)
        _sync(self.output.parent)
        self.remove()

    def remove(self) -> None:
        """The work folder is not needed any more. `whole` goes last, so that a kill in here is not taken for an unfinished run."""
        for file in self.folder.iterdir():
            if file not in (self._whole, self.folder / "lock"):
                file.unlink()
        shutil.rmtree(self.folder, ignore_errors=True)
        self.leave()

    def leave(self) -> None:
        """Give the lock back; the chunks stay."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _file(self, number: int) -> Path:
        return self.folder / f"{number:08}.arrow"

    def _write(self, file: Path, content: bytes) -> None:
        """Whole or not at all, and on the disk."""
        temporary = file.with_suffix(".tmp")
        with temporary.open("wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(temporary, file)
        _sync(self.folder)


def pack(batch: pa.RecordBatch, tally: Tally) -> bytes:
    """A chunk as bytes: the same batch gives the same bytes."""
    schema = batch.schema.with_metadata({_TALLY: tally.to_json().encode()})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, schema, options=_COMPRESSION) as writer:
        writer.write_batch(pa.RecordBatch.from_arrays(batch.columns, schema=schema))
    return bytes(sink.getvalue())


def _sync(path: Path) -> None:
    """Force a file, or the names in a folder, to the disk."""
    if path.is_dir() and os.name == "nt":
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
