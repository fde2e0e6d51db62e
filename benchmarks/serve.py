"""What ``industrial-ocr serve`` gives to many clients, against ``Reader.read_batch``.

    python benchmarks/serve.py [IMAGE ...] [--clients 8] [--reads 40] [--crops 10000] [--threads 2]

The service is a process of its own. Three parts, each with whole pictures and with crops of one
string (``recognize``): throughput of the reader alone in batches of 16, the mean of a run before
and a run after the second part; throughput of the service with clients that send the next picture
when they have an answer; and latency with requests at random times (Poisson) at 80 % of that
throughput. One request in a hundred is malformed and must be refused. CPU: processor seconds per
picture; on a machine that also does other work, only these can be compared.
Without images it takes those of ``examples``; ``--reads 0`` leaves whole pictures out.
"""

from __future__ import annotations

import argparse
import http.client
import io
import itertools
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

from industrial_ocr.image.load import find_images
from industrial_ocr.reader.reader import Reader
from industrial_ocr.results.geometry import bounds

BATCH = 16
MALFORMED = 0.01
BAD = [
    ("/read", b"", 422), ("/read", b"no picture", 422), ("/read?roi=1,2", b"x", 422),
    ("/read?engine=none", b"x", 422), ("/verify", b"x", 422), ("/nowhere", b"x", 404),
]  # fmt: skip
"""Path, body and expected status of malformed requests."""


@dataclass
class Outcome:
    """What clients saw: seconds of each good request, and the number of each wrong status."""

    latencies: list[float] = field(default_factory=list)
    wrong: Counter[int] = field(default_factory=Counter)
    refused: int = 0
    seconds: float = 0.0


def crops_of(reader: Reader, pictures: list[bytes]) -> list[bytes]:
    """The strings of pictures, cut out level, as PNG files."""
    crops = []
    for result in reader.read_batch(pictures):
        for string in result.strings:
            x0, y0, x1, y1 = (round(v) for v in bounds(string.quad))
            part = result.image[max(y0 - 4, 0) : y1 + 4, max(x0 - 4, 0) : x1 + 4]
            if string.direction == "horizontal" and min(part.shape[:2]) > 8:
                file = io.BytesIO()
                Image.fromarray(np.ascontiguousarray(part)).save(file, "PNG")
                crops.append(file.getvalue())
    return crops


def alone(reader: Reader, pictures: list[bytes], count: int, crops: bool) -> tuple[float, float]:
    """Pictures a second of the reader, in batches, and its CPU seconds a picture."""
    read = reader.recognize if crops else reader.read_batch
    stream = itertools.cycle(pictures)
    start, cpu = time.perf_counter(), time.process_time()
    for first in range(0, count, BATCH):
        for result in read(list(itertools.islice(stream, min(BATCH, count - first)))):
            result.to_dict()
    return count / (time.perf_counter() - start), (time.process_time() - cpu) / count


class Clients:
    """Threads that send pictures to the service.

    Args:
        address: host and port of the service.
        path: of the requests.
        pictures: sent in turn.
    """

    def __init__(self, address: str, path: str, pictures: list[bytes]) -> None:
        self._address, self._path, self._pictures = address, path, pictures

    def run(self, clients: int, count: int, rate: float | None = None) -> Outcome:
        """Sends ``count`` requests; with ``rate``, at random times, that many a second."""
        outcome, lock = Outcome(), threading.Lock()
        start = time.perf_counter()
        times = self._times(count, rate, start)

        def work() -> None:
            connection = http.client.HTTPConnection(self._address, timeout=600)
            while True:
                with lock:
                    number, due = next(times, (-1, 0.0))
                if number < 0:
                    return
                time.sleep(max(0.0, due - time.perf_counter()))
                bad = random.Random(number).random() < MALFORMED
                path, body, right = self._path, self._pictures[number % len(self._pictures)], 200
                if bad:
                    path, body, right = BAD[number % len(BAD)]
                began = due or time.perf_counter()
                connection.request("POST", path, body)
                reply = connection.getresponse()
                reply.read()
                took = time.perf_counter() - began
                with lock:
                    if reply.status != right:
                        outcome.wrong[reply.status] += 1
                    elif bad:
                        outcome.refused += 1
                    else:
                        outcome.latencies.append(took)

        threads = [threading.Thread(target=work) for _ in range(clients)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        outcome.seconds = time.perf_counter() - start
        return outcome

    def cpu(self) -> float:
        """CPU seconds that the service has taken."""
        connection = http.client.HTTPConnection(self._address, timeout=600)
        connection.request("GET", "/metrics")
        lines = connection.getresponse().read().decode().splitlines()
        return next(float(x.split()[1]) for x in lines if x.startswith("process_cpu_seconds"))

    @staticmethod
    def _times(count: int, rate: float | None, start: float) -> Iterator[tuple[int, float]]:
        """Number and time of each request; the time is 0 where it is sent at once."""
        rng, due = random.Random(0), start
        for number in range(count):
            if rate is not None:
                due += rng.expovariate(rate)
            yield number, due if rate is not None else 0.0


def main() -> None:
    """Runs the three parts and prints a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("images", nargs="*", type=Path)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--reads", type=int, default=40)
    parser.add_argument("--crops", type=int, default=10_000)
    parser.add_argument("--threads", type=int, default=2)
    given = parser.parse_args()
    files = find_images(given.images or [Path(__file__).parents[1] / "examples"])
    pictures = [file.read_bytes() for file in files]
    reader = Reader(threads=given.threads).load()
    crops = crops_of(reader, pictures)
    heads = ["", "reader, 1/s", "service, 1/s", "share", "reader, CPU", "service, CPU", "share"]
    heads += ["p50", "p99", "p50 at 80 %", "p99 at 80 %", "refused", "wrong"]
    print(f"| {' | '.join(heads)} |\n{'|---' * len(heads)}|")
    command = [sys.executable, "-m", "industrial_ocr.cli", "serve", "--port", "0"]
    command += ["--threads", str(given.threads), "--waiting", "256", "--timeout", "600"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        address = server.stdout.readline().strip().removeprefix("http://").rstrip("/")
        for kind, some, path, count in (
            ("pictures", pictures, "/read", given.reads),
            ("crops", crops, "/read?crops=true", given.crops),
        ):
            if count == 0:
                continue
            clients = Clients(address, path, some)
            clients.run(2, 4)
            few, cropped = max(count // 10, BATCH), kind == "crops"
            alone(reader, some, 2, cropped)
            before = alone(reader, some, few, cropped)
            cpu = clients.cpu()
            full = clients.run(given.clients, count)
            service = len(full.latencies) / full.seconds, (clients.cpu() - cpu) / count
            after = alone(reader, some, few, cropped)
            part = max(count // 5, min(count, 40))
            calm = clients.run(64, part, 0.8 * service[0])
            own = np.mean([before, after], axis=0)
            cells = [f"{own[0]:.1f}", f"{service[0]:.1f}", f"{service[0] / own[0]:.0%}"]
            cells += [f"{1000 * own[1]:.1f} ms", f"{1000 * service[1]:.1f} ms"]
            cells += [f"{own[1] / service[1]:.0%}"]
            for latencies in (full.latencies, calm.latencies):
                cells += [f"{1000 * np.percentile(latencies, q):.0f} ms" for q in (50, 99)]
            cells += [str(full.refused + calm.refused), str(dict(full.wrong + calm.wrong) or 0)]
            print(f"| {count} {kind} | {' | '.join(cells)} |", flush=True)
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(60)


if __name__ == "__main__":
    main()
