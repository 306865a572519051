"""Measure runs: groups, a chain, how late text is, what it costs, and how much of it a machine carries.

    python -m bench.runs [--scenario group,chain,…] [--repeats 3] [--save FILE]

Every scenario runs the shipped server process with real sockets against a provider in another process, and a
floor beside it: a bare program that reads the same answers. Under ``python -m tests.services --`` the
installation is on PostgreSQL and Redis with a separate ``chain_worker``. Times are by the clock that all
processes of a machine share.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

from bench import floor, machine, results
from bench.provider import Call, Script
from bench.results import Figures
from bench.site import SIZES, Provider, Site, site
from bench.watching import TOKEN, Audience, Seen, Session
from chains.management.memory import LOOK_EVERY_S

TPS, TOKENS, FIRST = 45.0, 126, 0.2  # an answer of 3 s
PACED = Script(tokens=TOKENS, tps=TPS, first=FIRST)
SETTLE_S = 0.5
COUNT_S = 5.0
# After work a process gives back what it needed for it, see `chains.management.memory`.
GIVEN_BACK_S = 2 * LOOK_EVERY_S + 1.0
LATE_MS = 100.0
LOADS = (10, 20, 30, 40, 50, 60, 80, 100, 120)


class Span(NamedTuple):
    """What the provider saw of some calls: seconds from the first arrival to the last byte, and spreads."""

    slowest: float
    start_spread: float
    first_token_spread: float


def span(calls: list[Call]) -> Span:
    """Read the provider's side."""
    arrived = [call.arrived for call in calls]
    first = [call.sent[0] for call in calls]
    last = max(call.last_byte for call in calls)
    return Span(last - min(arrived), max(arrived) - min(arrived), max(first) - min(first))


async def run_once(place: Site, slug: str, script: Script) -> tuple[Session, list[Call]]:
    """Send one message in a session that is watched, and wait for its end."""
    place.provider.play(script)
    async with Audience(place) as audience:
        session = await audience.open(slug)
        await audience.send(session)
        await audience.wait(session)
        await asyncio.sleep(SETTLE_S)
    return session, place.provider.calls()


def measure_ceiling(place: Site, repeats: int) -> Iterator[Figures]:
    """What the provider itself can send, far beyond what any scenario asks of it."""
    figures = Figures("the provider alone, 64 streams")
    for _ in range(repeats):
        place.provider.play(Script(tokens=2_000, tps=1e6, first=0.0))
        _, calls = read_bare(place.provider, "aiohttp", [names(64)])
        figures.add("tokens/s", sum(len(call.sent) for call in calls) / span(calls).slowest)
    yield figures


def measure_group(place: Site, repeats: int) -> Iterator[Figures]:
    """Groups of every size: wall ÷ slowest, start spread, first-token spread, message to first request."""
    asyncio.run(run_once(place, "group-2", PACED))
    for count in SIZES:
        figures = Figures(f"group of {count}")
        for _ in range(repeats):
            figures.add(machine.SPEED, machine.seconds_of_sums())
            session, calls = asyncio.run(run_once(place, f"group-{count}", PACED))
            seen = span(calls)
            [(accepted, ended)] = place.times_of([session.run])
            figures.add("wall / slowest", (ended - accepted) / seen.slowest)
            figures.add("start spread, ms", seen.start_spread * 1e3)
            figures.add("first-token spread, ms", seen.first_token_spread * 1e3)
            figures.add("accepted → first request, ms", (min(call.wall for call in calls) - accepted) * 1e3)
            figures.add("accepted → last request, ms", (max(call.wall for call in calls) - accepted) * 1e3)
            for name in floor.CLIENTS:
                place.provider.play(PACED)
                ran, calls = read_bare(place.provider, name, [names(count)])
                seen = span(calls)
                figures.add(f"floor {name}: wall / slowest", (ran.ended - ran.began) / seen.slowest)
                figures.add(f"floor {name}: start spread, ms", seen.start_spread * 1e3)
        yield figures


def names(count: int, letter: str = "w") -> list[str]:
    """Return names of models; any name will do."""
    return [f"{letter}{number}x" for number in range(count)]


def read_bare(
    provider: Provider, client: str, stages: Sequence[Sequence[str]], note: floor.Note = floor.ignore
) -> tuple[floor.Ran, list[Call]]:
    """Let a bare program read, stage after stage; return what it took, and the provider's side."""
    ran = asyncio.run(floor.run(floor.CLIENTS[client], stages, provider.url, note))
    return ran, provider.calls()[1:]


def ideal_of(calls: list[Call]) -> tuple[float, list[list[Call]]]:
    """Return the seconds that A → (B ∥ C ∥ D) → E takes without a program between them, and its stages."""
    first, *middle, last = sorted(calls, key=lambda call: call.arrived)
    stages = [[first], middle, [last]]
    return sum(span(stage).slowest for stage in stages), stages


def measure_chain(place: Site, repeats: int) -> Iterator[Figures]:
    """A → (B ∥ C ∥ D) → E: wall over the ideal, and how long a stage's end takes to become a request."""
    figures = Figures("A → (B ∥ C ∥ D) → E")
    for _ in range(repeats):
        figures.add(machine.SPEED, machine.seconds_of_sums())
        session, calls = asyncio.run(run_once(place, "diamond", PACED))
        ideal, ([first], middle, [last]) = ideal_of(calls)
        [(accepted, ended)] = place.times_of([session.run])
        figures.add("over the ideal, ms", (ended - accepted - ideal) * 1e3)
        figures.add("wall / ideal", (ended - accepted) / ideal)
        figures.add(
            "stage end → next request, ms", (min(call.arrived for call in middle) - first.last_byte) * 1e3
        )
        figures.add(
            "group end → next request, ms",
            (last.arrived - max(call.last_byte for call in middle)) * 1e3,
        )
        for name in floor.CLIENTS:
            place.provider.play(PACED)
            ran, calls = read_bare(place.provider, name, [names(1, "a"), names(3, "b"), names(1, "e")])
            figures.add(
                f"floor {name}: over the ideal, ms", (ran.ended - ran.began - ideal_of(calls)[0]) * 1e3
            )
    yield figures


class Watched(NamedTuple):
    """Sessions that were watched, their calls, and what they took: CPU seconds, and MB while open."""

    sessions: list[Session]
    calls: list[Call]
    cpu: float
    memory: float


async def watch_many(place: Site, slug: str, sessions: int, script: Script, *, pause: float = 0.0) -> Watched:
    """Send a message in each of some sessions; look at memory after a ``pause`` in which they stay open."""
    empty = place.memory_mb()
    place.provider.play(script)
    async with Audience(place) as audience:
        opened = [await audience.open(slug) for _ in range(sessions)]
        await asyncio.sleep(SETTLE_S)
        before = place.cpu_seconds()
        await asyncio.gather(*(audience.send(session) for session in opened))
        await audience.wait(*opened)
        used = place.cpu_seconds() - before
        await asyncio.sleep(pause)
        memory = place.memory_mb() - empty
    return Watched(opened, place.provider.calls(), used, memory)


def lags(watched: Iterable[Seen], calls: list[Call]) -> tuple[list[float], list[float]]:
    """Return how late first and later tokens were seen by those who watched, in ms."""
    sent: dict[str, list[list[float]]] = {}
    for call in calls:
        sent.setdefault(call.model, []).append(call.sent)
    first: list[float] = []
    later: list[float] = []
    for models in watched:
        for model, seen in models.items():
            moments = _nearest(sent[model], seen[0])
            known = -1
            for now, newest in seen:
                for number in range(known + 1, newest + 1):
                    (first if number == 0 else later).append((now - moments[number]) * 1e3)
                known = max(known, newest)
    return first, later


def _nearest(calls: list[list[float]], first_seen: tuple[float, int]) -> list[float]:
    """Find the call whose token came last before it was seen: sessions share the models."""
    moment, number = first_seen
    before = [sent for sent in calls if len(sent) > number and sent[number] <= moment]
    return max(before, key=lambda sent: sent[number])


def measure_latency(place: Site, repeats: int) -> Iterator[Figures]:
    """From the provider's byte to the frame that shows it: 1 session of 8 columns, 25 of 4."""
    for sessions, columns in ((1, 8), (25, 4)):
        figures = Figures(f"latency, {sessions} × {columns} at 50 tokens/s")
        script = Script(tokens=150, tps=50, first=FIRST)
        for number in range(repeats):
            figures.add(machine.SPEED, machine.seconds_of_sums())
            seen = asyncio.run(watch_many(place, f"group-{columns}", sessions, script, pause=GIVEN_BACK_S))
            if number == 0 and sessions > 1:
                # Later ones find memory that the first one needed.
                figures.add("memory for an open column, kB", seen.memory * 1e3 / len(seen.calls))
            _add_lags(figures, "", [session.seen for session in seen.sessions], seen.calls)
            for name in floor.CLIENTS:
                place.provider.play(script)
                noted: Seen = {}
                _, calls = read_bare(place.provider, name, [names(sessions * columns)], partial(note, noted))
                _add_lags(figures, f"floor {name}: ", [noted], calls)
        yield figures


def _add_lags(figures: Figures, prefix: str, watched: list[Seen], calls: list[Call]) -> None:
    first, later = lags(watched, calls)
    figures.add(f"{prefix}first token p50, ms", statistics.median(first))
    for name, share in (("p50", 50), ("p95", 95), ("p99", 99)):
        cut = statistics.quantiles(later, n=100, method="inclusive")[share - 1]
        figures.add(f"{prefix}later tokens {name}, ms", cut)


def note(seen: Seen, model: str, piece: bytes) -> None:
    """Note the newest token of a piece as a bare program reads it."""
    if found := TOKEN.findall(piece):
        seen.setdefault(model, []).append((time.monotonic(), int(found[-1][1])))


def measure_cost(place: Site, repeats: int) -> Iterator[Figures]:
    """CPU seconds for 1,000 tokens of 8 columns, memory, and database statements."""
    figures = Figures("cost, 8 columns")
    figures.add("memory, MB", place.memory_mb())
    script = Script(tokens=500, tps=50, first=FIRST)
    for _ in range(repeats):
        figures.add(machine.SPEED, machine.seconds_of_sums())
        seen = asyncio.run(watch_many(place, "group-8", 1, script))
        figures.add("CPU s / 1,000 tokens", seen.cpu / (len(seen.calls) * script.tokens) * 1e3)
        for name in floor.CLIENTS:
            place.provider.play(script)
            ran, calls = read_bare(place.provider, name, [names(8)])
            figures.add(f"floor {name}: CPU s / 1,000 tokens", ran.cpu / (len(calls) * script.tokens) * 1e3)
    figures.add("statements / s", statements_per_second(script))
    yield figures


def statements_per_second(script: Script) -> float:
    """Count what the processes of an installation of its own send to the database while 8 columns stream."""
    with (
        tempfile.TemporaryDirectory(prefix="chain-chat-bench-") as name,
        site(DJANGO_SETTINGS_MODULE="bench.statements", BENCH_STATEMENTS=name) as place,
    ):
        asyncio.run(run_once(place, "group-2", PACED))
        return asyncio.run(_count_statements(place, Path(name), script))


async def _count_statements(place: Site, folder: Path, script: Script) -> float:
    place.provider.play(script)
    async with Audience(place) as audience:
        session = await audience.open("group-8")
        await audience.send(session)
        await asyncio.sleep(SETTLE_S)
        before = _counted(folder)
        await asyncio.sleep(COUNT_S)
        statements = _counted(folder) - before
        await audience.wait(session)
    return statements / COUNT_S


def _counted(folder: Path) -> int:
    return sum(int.from_bytes(path.read_bytes(), "little") for path in folder.iterdir())


def measure_list(place: Site, repeats: int) -> Iterator[Figures]:
    """One answer that is a single list of 64 kB: the share of a core while it streams."""
    figures = Figures("an answer that is one list of 64 kB")
    script = Script(tokens=8_000, tps=200, first=FIRST, as_list=True)
    for _ in range(min(repeats, 2)):
        figures.add(machine.SPEED, machine.seconds_of_sums())
        seen = asyncio.run(watch_many(place, "solo", 1, script))
        figures.add("share of a core, %", seen.cpu / span(seen.calls).slowest * 100)
    yield figures


def measure_load(place: Site, repeats: int) -> Iterator[Figures]:
    """100 runs of 4 columns at 30 tokens/s at once: all complete, no text lost, memory for each column."""
    figures = Figures("load, 100 runs × 4 columns × 30 tokens/s")
    script = Script(tokens=300, tps=30, first=FIRST)
    for number in range(min(repeats, 2)):
        seen = asyncio.run(watch_many(place, "group-4", 100, script, pause=GIVEN_BACK_S))
        times = place.times_of([session.run for session in seen.sessions])
        slowest = span(seen.calls).slowest
        _, later = lags([session.seen for session in seen.sessions], seen.calls)
        figures.add("runs completed", len(times))
        accepted = [moment for moment, _ in times]
        figures.add("all accepted within, s", max(accepted) - min(accepted))
        figures.add("wall / slowest", (max(end for _, end in times) - min(accepted)) / slowest)
        figures.add("later tokens p95, ms", statistics.quantiles(later, n=20, method="inclusive")[-1])
        figures.add("CPU s / 1,000 tokens", seen.cpu / (len(seen.calls) * script.tokens) * 1e3)
        if number == 0:
            figures.add("memory for an open column, kB", seen.memory * 1e3 / len(seen.calls))
    yield figures


def measure_most(place: Site, _repeats: int) -> Iterator[Figures]:
    """The largest load that is tried of which p95 of later tokens stays under 100 ms: runs of 4 columns."""
    figures = Figures("the most, runs × 4 columns at 50 tokens/s")
    most = 0
    for count in LOADS:
        seen = asyncio.run(watch_many(place, "group-4", count, Script(tokens=250, tps=50, first=FIRST)))
        _, later = lags([session.seen for session in seen.sessions], seen.calls)
        late = statistics.quantiles(later, n=20, method="inclusive")[-1]
        figures.add(f"{count} runs: later tokens p95, ms", late)
        if late >= LATE_MS:
            break
        most = count
    figures.add("runs with p95 under 100 ms", most)
    yield figures


SCENARIOS = {
    "ceiling": measure_ceiling,
    "group": measure_group,
    "chain": measure_chain,
    "latency": measure_latency,
    "cost": measure_cost,
    "list": measure_list,
    "load": measure_load,
    "most": measure_most,
}


def main() -> None:
    """Read the command line, measure, print, and keep what was asked for."""
    parser = argparse.ArgumentParser(prog="python -m bench.runs", description=__doc__)
    parser.add_argument("--scenario", default=",".join(SCENARIOS), help="some of " + ", ".join(SCENARIOS))
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--save", help="a JSON file that gets the figures too")
    said = parser.parse_args()
    print(machine.facts())
    with site() as place:
        for name in said.scenario.split(","):
            for figures in SCENARIOS[name](place, said.repeats):
                print(figures, flush=True)
                results.keep(said.save, figures)


if __name__ == "__main__":
    main()
