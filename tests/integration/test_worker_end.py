"""A worker's process ends, whatever goes on in its loop when its work is done."""

from __future__ import annotations

import asyncio

from chains.management.commands import chain_worker


def test_a_task_that_overlooks_one_cancellation_does_not_keep_the_process(monkeypatch):
    monkeypatch.setattr(chain_worker, "LET_GO_S", 0.05)
    heard = []

    async def overlooks_one() -> None:
        while True:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                heard.append("cancelled")
                if len(heard) > 1:
                    raise

    async def work() -> None:
        task = asyncio.create_task(overlooks_one())
        await asyncio.sleep(0)
        await chain_worker.let_go()
        assert not task.done()

    asyncio.run(work())
    assert heard == ["cancelled", "cancelled"]
