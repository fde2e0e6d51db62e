"""Tests the runner of a line: it loses no reading, its memory stays constant, it adds little time.

    python benchmarks/line.py --write                      # all of it, about half an hour
    python benchmarks/line.py kills --pictures 200 --kills 3 --small

The reader is one that answers at once: the number in the picture is its text. Everything else is
real: the process that is killed with SIGKILL, PostgreSQL, mosquitto, the OPC UA and Modbus clients.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from line_services import Mosquitto, Postgres, free_port

RESULTS = Path(__file__).parent / "results" / "line.md"
TITLE = "The runner of a line"
ABOUT = "By `benchmarks/line.py`, whose first lines say what is real and what is not; on two cores."
OUTAGE_S = 4.0


# The child: a runner with a reader that answers at once.


class FastReader:
    """Reads the number in the first two pixels."""

    def __init__(self, seconds: float = 0.0) -> None:
        self.seconds = seconds
        self.weights = {"recognizer": "0" * 64}

    def read(self, image: Any, **options: Any) -> Any:
        from industrial_ocr.results.engine import Engine
        from industrial_ocr.results.read_result import ReadResult
        from industrial_ocr.results.types import Character, SequenceScores, Status, TextString

        time.sleep(self.seconds)
        text = f"N{int(image[0, 0, 0]) * 256 + int(image[0, 1, 0]):05d}"
        quad = np.array([[0, 0], [4, 0], [4, 4], [0, 4]], np.float32)
        characters = tuple(Character(c, quad, 0.99, (("X", 0.01),)) for c in text)
        scores = SequenceScores(0.99, -0.01, 0.99, 0.99, -0.01)
        string = TextString(text, 0.99, quad, characters, "horizontal", scores)
        return ReadResult((string,), Status.OK, Engine.CRNN, {}, image)


def picture(number: int) -> bytes:
    """A gray picture of 8 x 8 pixels that holds a number."""
    return b"P5 8 8 255\n" + bytes(divmod(number, 256)) + bytes(62)


def child(job_file: Path, timed: bool) -> None:
    """Runs the job until SIGTERM; with ``timed`` writes the seconds of every part beside it."""
    from industrial_ocr.line.job import load_job
    from industrial_ocr.line.runner import Runner

    runner = Runner(load_job(job_file), FastReader(0 if timed else 0.005))  # type: ignore[arg-type]
    signal.signal(signal.SIGTERM, lambda *_: runner.stop())
    if not timed:
        runner.run()
        return
    spent: list[tuple[float, float]] = []
    process, record, recorded = runner._process, runner._record, [0.0]

    def timed_record(*arguments: Any) -> Any:
        reading = record(*arguments)
        recorded[0] = time.perf_counter()
        return reading

    def timed_process(*arguments: Any) -> None:
        start = time.perf_counter()
        process(*arguments)
        spent.append((recorded[0] - start, time.perf_counter() - start))

    runner._process, runner._record = timed_process, timed_record  # type: ignore[method-assign]
    runner.run()
    job_file.with_suffix(".json").write_text(json.dumps(spent))


# Receivers: each notes (sequence, id or text) of everything it gets.


class MqttReceiver:
    """A subscriber with a session that outlives the broker."""

    def __init__(self, port: int, topic: str) -> None:
        import paho.mqtt.client as mqtt

        self.got: list[tuple[int, str]] = []
        self._client = mqtt.Client(
            mqtt.CallbackAPIVersion.VERSION2, client_id="receiver", clean_session=False
        )
        self._client.on_connect = lambda client, *_: client.subscribe(topic, qos=1)
        self._client.on_message = self._on_message
        self._client.reconnect_delay_set(0.2, 1)
        self._client.connect_async("127.0.0.1", port)
        self._client.loop_start()

    def _on_message(self, client: object, data: object, message: Any) -> None:
        reading = json.loads(message.payload)
        self.got.append((reading["sequence"], reading["id"]))

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


class PlcReceiver:
    """Polls a server of the runner in a thread, as a PLC does, and acknowledges every reading."""

    def __init__(self, work: Callable[[PlcReceiver], None]) -> None:
        self.got: list[tuple[int, str]] = []
        self.ending = False
        self._thread = threading.Thread(target=self._work, args=(work,), daemon=True)
        self._thread.start()

    def _work(self, work: Callable[[PlcReceiver], None]) -> None:
        while not self.ending:
            with suppress(Exception):  # the runner was killed
                work(self)
            time.sleep(0.1)

    def take(self, sequence: int, text: str) -> None:
        self.got.append((sequence, text))

    def close(self) -> None:
        self.ending = True
        self._thread.join()


def poll_modbus(port: int) -> Callable[[PlcReceiver], None]:
    def work(receiver: PlcReceiver) -> None:
        from pymodbus.client import ModbusTcpClient

        last = 0
        with ModbusTcpClient("127.0.0.1", port=port, timeout=2) as client:
            while not receiver.ending:
                shown = client.read_input_registers(0, count=14).registers
                sequence = shown[3] * 65536 + shown[4]
                if sequence not in (0, last):
                    raw = b"".join(register.to_bytes(2, "big") for register in shown[10:14])
                    receiver.take(sequence, raw[: shown[6]].decode())
                    client.write_registers(0, [shown[3], shown[4]])
                    last = sequence
                else:
                    time.sleep(0.005)

    return work


def poll_opcua(endpoint: str) -> Callable[[PlcReceiver], None]:
    async def poll(receiver: PlcReceiver) -> None:
        from asyncua import Client, ua

        async with Client(endpoint, timeout=4) as client:
            index = await client.get_namespace_index("urn:industrial-ocr:machine-vision")
            results = client.get_node(f"ns={index};s=VisionSystem.ResultManagement")
            acknowledge = ua.NodeId("VisionSystem.ResultManagement.AcknowledgeResult", index)
            names = (f"ns={index};s=VisionSystem.ResultManagement.LastResult.{name}"
                     for name in ("Sequence", "Text"))  # fmt: skip
            nodes = [client.get_node(name) for name in names]
            last = 0
            while not receiver.ending:
                sequence = await nodes[0].read_value()
                if sequence not in (0, last):
                    receiver.take(sequence, await nodes[1].read_value())
                    await results.call_method(
                        acknowledge, ua.Variant(sequence, ua.VariantType.Int64)
                    )
                    last = sequence
                else:
                    await asyncio.sleep(0.005)

    def work(receiver: PlcReceiver) -> None:
        asyncio.run(poll(receiver))

    return work


# Kills.


class Line:
    """The process that is killed."""

    def __init__(self, job_file: Path, mode: str = "child", priority: tuple[str, ...] = ()) -> None:
        self.job_file, self.mode, self.priority = job_file, mode, priority
        self.log = job_file.with_suffix(".log")
        self.start()

    def start(self) -> None:
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [*self.priority, sys.executable, __file__, self.mode, str(self.job_file)],
                stderr=log,
                stdout=log,
            )

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        self.start()

    def end(self) -> int:
        self.process.terminate()
        return self.process.wait(60)


def kills(pictures: int, count: int, small: bool) -> list[str]:
    """Feeds pictures, kills the runner and stops the services meanwhile; checks every receiver.

    Args:
        pictures: number of them.
        count: how often the runner is killed.
        small: SQLite instead of PostgreSQL, and no PLCs.

    Returns:
        Lines of a report.
    """
    with ExitStack() as opened:
        folder = Path(opened.enter_context(tempfile.TemporaryDirectory(prefix="line-")))
        (folder / "in").mkdir()
        broker = Mosquitto(folder, keeps=True)
        services: list[Any] = [broker]
        outputs: list[dict[str, Any]] = [
            {"kind": "mqtt", "host": "127.0.0.1", "port": broker.port, "topic": "line"}
        ]
        receivers: dict[str, Any] = {}
        if small:
            outputs.append({"kind": "sql", "url": f"sqlite:///{folder}/readings.db"})
        else:
            database = Postgres()
            opened.callback(database.close)
            services.append(database)
            modbus, opcua = free_port(), f"opc.tcp://127.0.0.1:{free_port()}/line/"
            outputs += [
                {"kind": "sql", "url": database.url},
                {"kind": "modbus", "port": modbus, "handshake": True},
                {"kind": "opcua", "endpoint": opcua, "handshake": True},
            ]
            receivers["Modbus"] = PlcReceiver(poll_modbus(modbus))
            receivers["OPC UA"] = PlcReceiver(poll_opcua(opcua))
        for service in services:
            service.start()
            opened.callback(service.stop)
        receivers["MQTT"] = MqttReceiver(broker.port, "line")
        for receiver in receivers.values():
            opened.callback(receiver.close)
        job_file = folder / "job.yaml"
        source = {"kind": "folder", "path": "in", "after": "move", "moved_to": "done"}
        job = {"version": 1, "name": "kills", "data": "data", "source": source, "outputs": outputs}
        job_file.write_text(yaml.safe_dump(job))
        start = time.monotonic()
        feeder = threading.Thread(target=feed, args=(folder / "in", pictures), daemon=True)
        feeder.start()
        line = Line(job_file)
        opened.callback(lambda: line.process.kill())
        outages = threading.Thread(
            target=stop_services, args=(services, folder, pictures), daemon=True
        )
        outages.start()
        for number in range(1, count + 1):
            wait_for(lambda n=number: recorded(folder) >= n * pictures // (count + 1))
            time.sleep(random.uniform(0, 0.1))
            line.kill()
        outages.join()
        complete = wait_for(
            lambda: (
                all(len(dict(r.got)) >= pictures for r in receivers.values())
                and len(sql_rows(job["outputs"])) >= pictures
            )
        )
        seconds = time.monotonic() - start
        code = line.end()
        rows = sql_rows(job["outputs"])
        journal = list(journal_keys(folder))
        if not complete:
            print(line.log.read_text()[-3000:])
    return report_kills(pictures, count, seconds, code, rows, journal, receivers)


def feed(folder: Path, pictures: int, pause_s: float = 0.01) -> None:
    """Renames pictures into place."""
    for number in range(pictures):
        (folder / ".new").write_bytes(picture(number))
        os.rename(folder / ".new", folder / f"{number:05d}.pgm")
        time.sleep(pause_s)


def stop_services(services: list[Any], folder: Path, pictures: int) -> None:
    """Stops each service once, at different times, and both together near the end."""
    for step, stopped in enumerate([*([s] for s in services), services], 1):
        share = step / (len(services) + 2)
        wait_for(lambda s=share: recorded(folder) >= s * pictures)
        for service in stopped:
            service.stop()
        time.sleep(OUTAGE_S)
        for service in stopped:
            service.start()


def recorded(folder: Path) -> int:
    with suppress(FileNotFoundError):
        return len(os.listdir(folder / "done"))
    return 0


def wait_for(condition: Callable[[], bool], timeout_s: float = 900.0) -> bool:
    end = time.monotonic() + timeout_s
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.02)
    return False


def sql_rows(outputs: list[dict[str, Any]]) -> list[tuple[int, str, str, str, str]]:
    """Sequence, id, text, picture and status of the rows of the database, by their numbers."""
    import sqlalchemy as sa

    url = next(output["url"] for output in outputs if output["kind"] == "sql")
    engine = sa.create_engine(url)
    try:
        with engine.connect() as connection:
            columns = "sequence, id, text, picture, status"
            return sorted(
                map(tuple, connection.execute(sa.text(f"SELECT {columns} FROM readings")))
            )
    except sa.exc.SQLAlchemyError:
        return []
    finally:
        engine.dispose()


def journal_keys(folder: Path) -> Iterator[str]:
    database = sqlite3.connect(folder / "data" / "journal.sqlite3")
    yield from (name for (name,) in database.execute("SELECT name FROM pictures"))
    database.close()


def report_kills(
    pictures: int,
    count: int,
    seconds: float,
    code: int,
    rows: list[tuple[int, str, str, str, str]],
    journal: list[str],
    receivers: dict[str, Any],
) -> list[str]:
    """Checks what was received; a line each, with FAILED where something is wrong."""
    wanted = [f"{number:05d}.pgm" for number in range(pictures)]
    numbers = list(range(1, pictures + 1))
    names = [row[3] for row in rows]
    others = [row for row in rows if row[4] != "ok"]
    late = [(k, a) for k, (a, b) in enumerate(zip(names, wanted, strict=False)) if a != b]
    if late or others:
        print("not in order:", late[:20], "not ok:", others[:20])
    checks = {
        f"database: {len(rows)} rows, every picture exactly once": sorted(names) == wanted,
        "database: numbers without a gap": [row[0] for row in rows] == numbers,
        "database: in the order of the pictures": names == wanted,
        f"database: texts are right, {len(others)} of another status than ok": all(
            row[2] == f"N{row[3][:5]}" for row in rows if row[4] == "ok"
        ),
        f"journal: {len(journal)} keys, every picture once": sorted(journal) == wanted,
        "SIGTERM at the end: exit code 0": code == 0,
    }
    ids = {row[0]: row[1] for row in rows}
    texts = {row[0]: row[2] for row in rows}
    for name, receiver in receivers.items():
        known = ids if name == "MQTT" else texts
        got = dict(receiver.got)
        firsts = list(dict.fromkeys(sequence for sequence, _ in receiver.got))
        checks[
            f"{name}: {len(receiver.got)} deliveries of {len(got)} readings; every one at least "
            "once, with the same id or text; first deliveries in order"
        ] = (
            got == known
            and firsts == numbers
            and all(known.get(s) == value for s, value in receiver.got)
        )
    lines = [f"- {text}: {'yes' if good else 'FAILED'}" for text, good in checks.items()]
    return [f"{pictures} pictures, {count} kills, {seconds:.0f} s", "", *lines]


# Memory.


def memory(readings: int) -> list[str]:
    """Simulated readings through the whole runner; memory, threads and handles meanwhile."""
    from industrial_ocr.line import runner as runner_module
    from industrial_ocr.line.job import load_job
    from industrial_ocr.line.pictures import Picture
    from industrial_ocr.line.sources import PictureSource

    class Endless(PictureSource):
        name = "endless"
        count = 0

        def next(self, timeout_s: float) -> Any:
            if self.count == readings:
                self.ended = True
                return None
            self.count += 1
            return Picture(self.name, str(self.count), picture(self.count % 65536), 0)

    source = Endless()
    samples: list[tuple[int, float, int, int, float]] = []
    with tempfile.TemporaryDirectory(prefix="line-", dir="/dev/shm") as name:
        folder = Path(name)
        job_file = folder / "job.yaml"
        archive = {"path": "archive", "keep": "sampled", "sample": 0.01, "max_mb": 1}
        job = {
            "version": 1, "name": "memory", "data": "data", "archive": archive | {"min_free_mb": 0},
            "source": {"kind": "folder", "path": "in"},
            "outputs": [{"kind": "csv", "path": "out.csv"}],
        }  # fmt: skip
        job_file.write_text(yaml.safe_dump(job))
        runner_module.make_source = lambda *_: source
        runner = runner_module.Runner(load_job(job_file), FastReader())  # type: ignore[arg-type]

        def sample() -> None:
            journal = (folder / "data" / "journal.sqlite3").stat().st_size / 1e6
            samples.append(
                (source.count, resident_mb(), threading.active_count(), handles(), journal)
            )
            print("readings {}, {:.1f} MB, {} threads, {} handles, journal {:.1f} MB".format(
                *samples[-1]), file=sys.stderr, flush=True)  # fmt: skip

        def watch() -> None:
            step = max(readings // 20, 1)
            while not source.ended:
                if source.count >= step * (len(samples) + 1):
                    sample()
                time.sleep(0.05)

        watcher = threading.Thread(target=watch)
        start = time.monotonic()
        watcher.start()
        runner.run()
        seconds = time.monotonic() - start
        watcher.join()
    first, last = samples[1], samples[-1]
    grown = max(s[1] for s in samples[1:]) - first[1]
    return [
        f"{readings:,} readings in {seconds:.0f} s, to a CSV file, archive of 1 MB, "
        "after the first 10 %:",
        "",
        f"- memory: {first[1]:.0f} MB at first, {last[1]:.0f} MB at last, at most {grown:.1f} MB "
        f"more than at first: {'yes' if grown < 20 else 'FAILED'}",
        f"- threads: {first[2]}, then {last[2]}; handles: {first[3]}, then at most "
        f"{max(s[3] for s in samples)}: "
        f"{'yes' if last[2] <= first[2] and last[3] <= first[3] else 'FAILED'}",
        f"- the journal's file: {first[4]:.1f} MB, then {last[4]:.1f} MB",
    ]


def resident_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1e6


def handles() -> int:
    return len(os.listdir("/proc/self/fd"))


# The time that the runner adds.


def latency(readings: int, rate: float, first: bool) -> list[str]:
    """From the moment a picture is taken until it is recorded, with all outputs on.

    Args:
        readings: number of them.
        rate: pictures a second.
        first: the runner has real-time priority, the receivers do not.

    Returns:
        Lines of a report.
    """
    with ExitStack() as opened:
        folder = Path(opened.enter_context(tempfile.TemporaryDirectory(prefix="line-")))
        (folder / "in").mkdir()
        broker, database = Mosquitto(folder, keeps=True), Postgres()
        opened.callback(database.close)
        for service in (broker, database):
            service.start()
            opened.callback(service.stop)
        modbus, opcua = free_port(), f"opc.tcp://127.0.0.1:{free_port()}/line/"
        outputs = [
            {"kind": "jsonl", "path": "out.jsonl"},
            {"kind": "csv", "path": "out.csv"},
            {"kind": "sql", "url": database.url},
            {"kind": "mqtt", "host": "127.0.0.1", "port": broker.port, "topic": "line"},
            {"kind": "modbus", "port": modbus, "handshake": True},
            {"kind": "opcua", "endpoint": opcua, "handshake": True},
        ]
        job = {
            "version": 1, "name": "latency", "data": "data", "outputs": outputs,
            "archive": {"path": "archive", "keep": "all"},
            "source": {"kind": "folder", "path": "in", "after": "delete", "stable_s": 0},
        }  # fmt: skip
        job_file = folder / "job.yaml"
        job_file.write_text(yaml.safe_dump(job))
        receivers = [PlcReceiver(poll_modbus(modbus)), PlcReceiver(poll_opcua(opcua))]
        line = Line(job_file, "timed", ("chrt", "-r", "5") if first else ())
        opened.callback(line.process.kill)
        feed(folder / "in", 20, 0.5)  # until the servers have built their nodes
        wait_for(lambda: all(len(dict(r.got)) >= 20 for r in receivers), 120)
        feed(folder / "in", readings, 1 / rate)
        wait_for(lambda: all(len(dict(r.got)) >= 20 + readings for r in receivers), 120)
        for receiver in receivers:
            receiver.close()
        line.end()
        spent = json.loads(job_file.with_suffix(".json").read_text())[20:]
    recorded_ms, whole_ms = (1000 * np.array([s[k] for s in spent]) for k in (0, 1))
    lines = [
        f"{readings} pictures of a folder, {rate:g} a second, JSON lines, CSV, PostgreSQL, MQTT, "
        "Modbus and OPC UA on, every picture archived; the reader itself takes no time"
        + (
            "; real-time priority for the runner, as the machine does other work:" if first else ":"
        ),
        "",
        "- writing 4 KB to this disk and synchronizing, alone: p50 {:.1f} ms, p99 {:.1f} ms".format(
            *sync_ms()
        ),
    ]
    middle, high = np.percentile(recorded_ms, [50, 99])
    good = "yes" if middle <= 10 and high <= 30 else "FAILED"
    lines.append(
        f"- from the moment the runner has the picture until it is judged and recorded: p50 "
        f"{middle:.1f} ms, p99 {high:.1f} ms; at most 10 and 30: {good}"
    )
    lines.append(
        "- until the runner takes the next picture (archive, page, deletion): p50 {:.1f} ms, p99 "
        "{:.1f} ms".format(*np.percentile(whole_ms, [50, 99]))
    )
    return lines


def sync_ms() -> tuple[float, float]:
    """Median and 99th percentile of a synchronized write, milliseconds."""
    spent = []
    with tempfile.TemporaryFile() as file:
        for _ in range(300):
            start = time.perf_counter()
            file.write(bytes(4096))
            file.flush()
            os.fdatasync(file.fileno())
            spent.append(1000 * (time.perf_counter() - start))
            time.sleep(0.01)
    return float(np.percentile(spent, 50)), float(np.percentile(spent, 99))


# A full disk.


@contextmanager
def small_disk(megabytes: int) -> Iterator[Path]:
    """A disk of this size; needs root."""
    with tempfile.TemporaryDirectory(prefix="line-") as folder:
        options = f"size={megabytes}m"
        subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder], check=True)
        try:
            yield Path(folder)
        finally:
            subprocess.run(["umount", folder], check=True)


def full_disk(pictures: int) -> list[str]:
    """A disk that fills up: the archive stops first, then the line waits, then it goes on."""
    from industrial_ocr.line.job import load_job
    from industrial_ocr.line.runner import Runner

    with small_disk(24) as disk, tempfile.TemporaryDirectory(prefix="line-") as name:
        folder = Path(name)
        (folder / "in").mkdir()
        job = {
            "version": 1, "name": "full", "data": str(disk / "data"),
            "source": {"kind": "folder", "path": "in", "after": "delete"},
            "outputs": [{"kind": "csv", "path": "out.csv"}],
            "archive": {"path": str(disk / "archive"), "keep": "all", "min_free_mb": 8},
        }  # fmt: skip
        (folder / "job.yaml").write_text(yaml.safe_dump(job))
        runner = Runner(load_job(folder / "job.yaml"), FastReader())  # type: ignore[arg-type]
        thread = threading.Thread(target=runner.run)
        thread.start()
        noise = os.urandom(100_000)
        seen: list[str] = []

        def alarms() -> set[str]:
            return {alarm["name"] for alarm in runner.monitor.snapshot()["alarms"]}

        def note(wanted: str) -> None:
            if wait_for(lambda: wanted in alarms(), 60):
                seen.append(wanted)

        for number in range(pictures):
            (folder / ".new").write_bytes(picture(number) + noise)
            os.rename(folder / ".new", folder / "in" / f"{number:05d}.pgm")
        note("archive")
        with suppress(OSError), open(disk / "ballast", "wb", buffering=0) as ballast:
            while True:
                ballast.write(bytes(65536))
        more = range(pictures, 2 * pictures)
        for number in more:
            (folder / ".new").write_bytes(picture(number))
            os.rename(folder / ".new", folder / "in" / f"{number:05d}.pgm")
        note("journal")
        state = runner.monitor.snapshot()["state"]
        (disk / "ballast").unlink()
        shutil.rmtree(disk / "archive")
        lines = lambda: (folder / "out.csv").read_text().count("\n") - 1  # noqa: E731
        complete = wait_for(lambda: lines() == 2 * pictures, 120)
        ended = wait_for(lambda: not alarms() - {"archive"}, 30)
        runner.stop()
        thread.join()
    good = seen == ["archive", "journal"] and state == "error" and complete and ended
    return [
        f"A tmpfs of 24 MB, filled by the archive and then by another program, {2 * pictures} "
        "pictures:",
        "",
        f"- alarms in this order: {', '.join(seen)}; state meanwhile: {state}; after space was "
        f"freed all {2 * pictures} readings are in the CSV file: {'yes' if good else 'FAILED'}",
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", nargs="?", default="all")
    parser.add_argument("job", nargs="?", type=Path)
    parser.add_argument("--pictures", type=int, default=2000)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--readings", type=int, default=200_000)
    parser.add_argument("--parts", type=int, default=1000)
    parser.add_argument("--rate", type=float, default=20.0)
    parser.add_argument("--first", action="store_true", help="real-time priority for latency")
    parser.add_argument("--write", action="store_true", help="to results/line.md")
    parser.add_argument("--small", action="store_true")
    given = parser.parse_args()
    if given.what in ("child", "timed"):
        child(given.job, given.what == "timed")
        return
    parts: dict[str, tuple[str, Callable[[], list[str]]]] = {
        "kills": ("Killed", lambda: kills(given.pictures, given.kills, given.small)),
        "memory": ("Many readings", lambda: memory(given.readings)),
        "latency": (
            "Time that the runner adds",
            lambda: latency(given.parts, given.rate, given.first),
        ),
        "disk": ("A full disk", lambda: full_disk(300)),
    }
    failed = False
    for name, (title, measure) in parts.items():
        if given.what in ("all", name):
            text = "\n".join(measure())
            print(f"## {title}\n\n{text}", flush=True)
            failed |= "FAILED" in text
            if given.write:
                write_section(title, text)
    sys.exit(failed)


def write_section(title: str, text: str) -> None:
    """Replaces a section of the results, or adds it."""
    page = RESULTS.read_text() if RESULTS.exists() else f"# {TITLE}\n\n{ABOUT}\n"
    head, *sections = page.rstrip().split("\n\n## ")
    known = dict(section.split("\n\n", 1) for section in sections) | {title: text}
    RESULTS.write_text(head + "".join(f"\n\n## {t}\n\n{own}" for t, own in known.items()) + "\n")


if __name__ == "__main__":
    main()
