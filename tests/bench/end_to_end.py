"""The whole product against the bare model, on the same texts in one run: rate, CPU, latency, memory, second start."""

import http.client
import json
import threading
import time
from pathlib import Path

import psutil

from services.classify.loading import load_tagger
from services.classify.tagging.tagger import TagInput
from tests.bench.figures import Figure, percentile
from tests.builders import feedback
from tests.system.product import ROLES, ROOT, Product
from tests.waiting import until

_SAMPLE = ROOT / "services" / "launcher" / "sample" / "events.jsonl"
_EVENTS = 12_000


def texts(count: int) -> list[str]:
    """What the sample's customers wrote (kept out of training), repeated with a number so that no two are the same."""
    events = [json.loads(line) for line in _SAMPLE.read_text(encoding="utf-8").splitlines()]
    written = [event["text"] for event in events if event.get("text")]
    return [f"{written[n % len(written)]} ({n})" for n in range(count)]


def bare_model(said: list[str]) -> tuple[float, float]:
    """Texts per second and CPU seconds per text of the model alone, in batches of 256 in this process."""
    tagger = load_tagger(ROOT / "deploy" / "policy")
    inputs = [TagInput(text=text) for text in said]
    tagger.tag(inputs[:256])
    process = psutil.Process()
    cpu, began = sum(process.cpu_times()[:2]), time.perf_counter()
    for start in range(0, len(inputs), 256):
        tagger.tag(inputs[start : start + 256])
    took = time.perf_counter() - began
    return len(inputs) / took, (sum(process.cpu_times()[:2]) - cpu) / len(inputs)


def measure(folder: Path, cache: Path) -> list[Figure]:
    """Starts a product of its own in `folder` and measures it from outside."""
    said = texts(_EVENTS)
    bare_rate, bare_cpu = bare_model(said)
    product = Product(folder, PALETTE_CACHE_DIR=str(cache)).start()
    try:
        rate, cpu = _through_the_whole(product, said)
        latencies = _single_posts(product, rate=200, seconds=10)
        memory = sum(_memory(p) for p in _processes(product))
        product.stop()
        began = time.perf_counter()
        product.start()
        second_start = time.perf_counter() - began
    finally:
        product.end()
    whole = sum(cpu.values())
    p99 = percentile(latencies, 0.99) * 1000
    return [
        Figure("bare model, one process", bare_rate, "texts/s"),
        Figure("end to end, HTTP in to tagged event in the store", rate, "events/s"),
        Figure("end to end ÷ bare model", rate / bare_rate, "", "at least 0.5, aim 0.7", rate / bare_rate >= 0.5),
        Figure("CPU per event, all processes ÷ bare model", whole / bare_cpu, "", "aim 2", whole / bare_cpu <= 2),
        *(Figure(f"  CPU per event in {role}", used * 1e6, "µs") for role, used in sorted(cpu.items())),
        Figure("single POST at 200/s, p50", percentile(latencies, 0.5) * 1000, "ms"),
        Figure("single POST at 200/s, p99", p99, "ms", "under 50", p99 < 50),
        Figure("memory of everything, Kafka included", memory / 2**30, "GiB", "under 1.5", memory / 2**30 < 1.5),
        Figure("second start until ready", second_start, "s", "under 15", second_start < 15),
    ]


def _processes(product: Product) -> list[psutil.Process]:
    assert product.process is not None
    launcher = psutil.Process(product.process.pid)
    return [launcher, *launcher.children(recursive=True)]


def _memory(process: psutil.Process) -> int:
    """Proportional share, so that pages shared between processes are counted once."""
    try:
        return int(process.memory_full_info().pss)
    except psutil.Error:
        return 0


def _cpu(product: Product) -> dict[str, float]:
    """CPU seconds so far, by role."""
    found: dict[str, float] = {}
    for process in _processes(product):
        words = process.cmdline()
        role = "kafka" if "kafka.Kafka" in words else words[-1].rsplit(".", 1)[-1] if words else "gone"
        role = role if role in (*ROLES, "kafka") else "launcher"
        found[role] = found.get(role, 0.0) + sum(process.cpu_times()[:2])
    return found


def _through_the_whole(product: Product, said: list[str]) -> tuple[float, dict[str, float]]:
    """Events per second from the first POST until the last is readable as tagged, and CPU seconds per event by role."""
    warm = [feedback(source="warm", id=f"w-{n}", text=text) for n, text in enumerate(said[:200])]
    before = _readable(product)
    product.post_batch(warm).raise_for_status()
    until(lambda: _readable(product) >= before + len(warm), seconds=60, what="the warm-up to be tagged")
    events = [
        feedback(source="bench", id=f"b-{n}", text=text, customer={"id": f"B-{n % 1000}"})
        for n, text in enumerate(said)
    ]
    before, cpu, began = _readable(product), _cpu(product), time.perf_counter()
    for start in range(0, len(events), 100):
        while product.post_batch(events[start : start + 100]).status_code != 202:
            continue
    until(
        lambda: _readable(product) >= before + len(events), seconds=180, every=0.2, what="all to be readable as tagged"
    )
    rate = len(events) / (time.perf_counter() - began)
    until(lambda: _quiet(product), seconds=60, every=0.5, what="the router to be done as well")
    return rate, {role: (used - cpu.get(role, 0.0)) / len(events) for role, used in _cpu(product).items()}


def _quiet(product: Product) -> bool:
    """Whether nobody is behind any more, so that the CPU of every step has been spent."""
    lines = product.http.get(product.ops("api") + "/metrics").text.splitlines()
    lags = [float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith("palette_consumer_lag_messages{")]
    return bool(lags) and sum(lags) == 0


def _readable(product: Product) -> float:
    """How many live events have become readable as tagged, as the API itself counts them: asking costs it nothing."""
    for line in product.http.get(product.ops("api") + "/metrics").text.splitlines():
        if line.startswith('palette_event_latency_seconds_count{to="readable"}'):
            return float(line.rsplit(" ", 1)[1])
    return 0.0


def _single_posts(product: Product, *, rate: int, seconds: int) -> list[float]:
    """Answer times of single POSTs that begin at a fixed rate, whatever the answers do (no coordinated omission)."""
    total = rate * seconds
    taken: list[float] = []
    lock = threading.Lock()
    bodies = [json.dumps(feedback(source=f"single-{rate}", id=f"s-{n}")) for n in range(total)]
    begin = time.perf_counter() + 0.2

    def sender(first: int, step: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", product.ports["ingest"], timeout=20)
        for n in range(first, total, step):
            due = begin + n / rate
            time.sleep(max(0.0, due - time.perf_counter()))
            connection.request("POST", "/v1/feedback", bodies[n], {"Content-Type": "application/json"})
            answer = connection.getresponse()
            answer.read()
            assert answer.status == 202
            with lock:
                taken.append(time.perf_counter() - due)
        connection.close()

    threads = [threading.Thread(target=sender, args=(n, 8)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return taken
