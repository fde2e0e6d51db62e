"""Reads many pictures with Ray Data, on all cores of a machine or on a cluster.

Ray spreads the addresses of the pictures over actors, which open and read the pictures. The
readings come back to this process, which writes them in parts, each of them as a whole. So a run
that was killed can be continued, and no picture is in two parts.
"""

from __future__ import annotations

import io
import json
import logging
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from industrial_ocr.errors import ConfigError, IndustrialOcrError, require
from industrial_ocr.image.load import ImageSource
from industrial_ocr.line.ray_pictures import PictureAddress, find_pictures, name_of, open_picture
from industrial_ocr.results.files import write_whole
from industrial_ocr.results.read_result import ReadResult

log = logging.getLogger(__name__)

RESULT_COLUMNS = (
    "file", "status", "text", "confidence", "codes", "route", "error", "seconds", "result",
)  # fmt: skip
MakeRead = Callable[[], Callable[[ImageSource], ReadResult]]


@dataclass(frozen=True)
class Workers:
    """The readers, each an actor of Ray.

    Attributes:
        actors: number of actors; the default uses all CPUs or GPUs.
        cpus: number of CPUs per actor.
        gpus: number of GPUs per actor; with 0.5, two actors share a GPU.
        address: address of a Ray cluster (``auto``: the one that runs on this machine); None starts
            Ray.
    """

    actors: int | None = None
    cpus: int = 1
    gpus: float = 0.0
    address: str | None = None


class BatchProgress(NamedTuple):
    """How many pictures of ``total`` are ``done``, and how many of these have ``failed``."""

    done: int
    total: int
    failed: int


def read_archive(
    sources: Sequence[str],
    out: str,
    make_read: MakeRead,
    settings: Mapping[str, Any],
    workers: Workers = Workers(),  # noqa: B008
    *,
    column: str = "image",
    save_s: float = 60.0,
) -> Iterator[BatchProgress]:
    """Reads every picture of an archive once and yields its progress.

    Args:
        sources: pictures, folders, globs and Parquet files, as paths or addresses of fsspec.
        out: folder of the results: files ``part-00000.parquet`` and so on, with the columns
            ``RESULT_COLUMNS``; a picture that cannot be read has an ``error``.
        make_read: called once in every actor; it returns the function that reads a picture.
        settings: settings of the reading, as plain values. Results that were made with other
            settings are not continued.
        workers: number and resources of the readers.
        column: column of Parquet files that holds the pictures as bytes, or their paths.
        save_s: seconds between two parts; a killed run loses the readings after the last part.

    Raises:
        ConfigError: there is no picture, ``out`` holds other readings, or Ray cannot run.
        MissingPackageError: the extra ``ray`` is not installed.
    """
    require("ray", "ray", "pyarrow", "fsspec")
    with ExitStack() as stack:
        parts = _Parts(out, settings, stack)
        done, failed = parts.known()
        pictures = list(dict.fromkeys(find_pictures(sources, column)))
        rows = [p for p in pictures if name_of(*p) not in done]
        count, total = len(pictures) - len(rows), len(pictures)
        yield BatchProgress(count, total, failed)
        pending: list[Any] = []
        written = time.monotonic()
        try:
            for table in _readings(rows, make_read, workers, column) if rows else ():
                pending.append(table)
                if time.monotonic() - written >= save_s or len(pending) == 400:
                    parts.write(pending)
                    pending, written = [], time.monotonic()
                count += table.num_rows
                failed += table.num_rows - table["error"].null_count
                yield BatchProgress(count, total, failed)
        finally:
            if pending:
                parts.write(pending)


class _Parts:
    """The folder of results; on a local disk it is locked against a second run."""

    def __init__(self, out: str, settings: Mapping[str, Any], stack: ExitStack) -> None:
        import fsspec
        from filelock import FileLock, Timeout

        self._fs, self._path = fsspec.core.url_to_fs(out)
        self._local = "file" in self._fs.protocol
        if self._fs.isfile(self._path):
            raise ConfigError(f"{out}: is a file; the results are a folder of parts")
        self._fs.makedirs(self._path, exist_ok=True)
        if self._local:
            try:
                stack.enter_context(FileLock(f"{self._path}/_lock", timeout=0))
            except Timeout as error:
                raise ConfigError(f"{out}: another run writes there") from error
        asked = json.dumps(settings, sort_keys=True, default=str)
        file = f"{self._path}/_settings.json"  # readers of Parquet folders skip names with _
        if not self._fs.exists(file):
            self._put(file, asked.encode())
        elif self._fs.cat_file(file).decode() != asked:
            raise ConfigError(f"{out}: was read with other settings ({file}); name another --out")

    def _put(self, file: str, data: bytes) -> None:
        """Writes a file as a whole, as object stores always do."""
        if self._local:
            write_whole(Path(file), data)
        else:
            self._fs.pipe_file(file, data)

    def known(self) -> tuple[set[str], int]:
        """The names of the pictures that were read, and how many of them have an error."""
        import pyarrow.parquet as pq

        self._next, failed = 0, 0
        done: set[str] = set()
        for part in sorted(self._fs.glob(f"{self._path}/part-*.parquet")):
            with self._fs.open(part, "rb") as file:
                table = pq.read_table(file, columns=["file", "error"])
            done.update(table["file"].to_pylist())
            failed += table.num_rows - table["error"].null_count
            number = int(part.rpartition("-")[2].removesuffix(".parquet"))
            self._next = max(self._next, number + 1)
        return done, failed

    def write(self, tables: Sequence[Any]) -> None:
        """Writes readings as the next part."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        data = io.BytesIO()
        pq.write_table(pa.concat_tables(tables), data)
        self._put(f"{self._path}/part-{self._next:05d}.parquet", data.getvalue())
        self._next += 1


def _readings(
    rows: Sequence[PictureAddress], make_read: MakeRead, workers: Workers, column: str
) -> Iterator[Any]:
    """Tables of readings, in any order."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # else Ray sends usage data
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")  # errors are raised as well
    import pyarrow as pa
    import ray.data

    if not ray.is_initialized():
        quiet: dict[str, Any] = {"logging_level": logging.ERROR, "log_to_driver": False}
        if workers.address is None:
            needed = workers.cpus * (workers.actors or 1)
            quiet |= {"num_cpus": max(os.cpu_count() or 1, needed), "include_dashboard": False}
        ray.init(workers.address or "local", **quiet)
    try:
        room = ray.cluster_resources()
        actors = workers.actors or int(room.get("CPU", 0) // workers.cpus)
        if workers.gpus and not workers.actors:
            actors = min(actors, int(room.get("GPU", 0) // workers.gpus))
        if actors < 1:
            raise ConfigError("there are fewer CPUs or GPUs than one reader needs")
        log.info("%d readers, %d pictures", actors, len(rows))
        logging.getLogger("ray.data").setLevel(logging.ERROR)
        ray.data.DataContext.get_current().enable_progress_bars = False
        table = pa.table({"file": [f for f, _ in rows], "row": [n for _, n in rows]})
        size = max(16, len(rows) // 20_000)  # pictures of a task; Ray slows down with more tasks
        blocks = [table.slice(at, size) for at in range(0, len(rows), size)]
        read = ray.data.from_arrow(blocks).map_batches(
            _Actor,
            fn_constructor_args=(make_read, column),
            batch_format="pyarrow",
            batch_size=None,
            compute=ray.data.ActorPoolStrategy(size=actors),
            num_cpus=workers.cpus,
            num_gpus=workers.gpus or None,
        )
        yield from read.iter_batches(batch_size=None, batch_format="pyarrow", prefetch_batches=0)
    except ray.exceptions.RayError as error:
        raise ConfigError(f"Ray has failed: {str(error).strip().splitlines()[-1]}") from error
    finally:
        ray.shutdown()


class _Actor:
    """A process with a reader."""

    def __init__(self, make_read: MakeRead, column: str) -> None:
        self._read, self._column = make_read(), column

    def __call__(self, batch: Any) -> Any:
        import pyarrow as pa

        pictures = zip(batch["file"].to_pylist(), batch["row"].to_pylist(), strict=True)
        kinds: dict[str, Any] = dict.fromkeys(RESULT_COLUMNS, pa.string())
        kinds |= {"codes": pa.list_(pa.string())}
        kinds |= dict.fromkeys(("confidence", "seconds"), pa.float64())
        return pa.Table.from_pylist([self._row(*p) for p in pictures], pa.schema(kinds))

    def _row(self, file: str, row: int) -> dict[str, Any]:
        start = time.perf_counter()
        cells: dict[str, Any] = {"file": name_of(file, row)}
        try:
            result = self._read(open_picture(file, row, self._column)).to_dict()
        except (IndustrialOcrError, OSError) as error:
            cells["error"] = str(error)
        except Exception as error:  # one picture must not stop the run
            cells["error"] = f"{type(error).__name__}: {error}"
        else:
            cells |= {name: result[name] for name in ("text", "status", "confidence", "route")}
            cells["codes"] = [code["text"] for code in result["codes"]]
            cells["result"] = json.dumps(result)
        return cells | {"seconds": time.perf_counter() - start}
