"""Names of asyncio tasks, and who created them."""

import json
import sys

import pytest

from conftest import Tree, read_calls, read_info, short

TASKS = """
    import asyncio, sys
    from callprofiler import block, profile

    async def leaf(n):
        await asyncio.sleep(0)
        return n

    async def named(n):
        return await leaf(n)

    async def creates():
        tasks = [asyncio.create_task(named(n), name="named-%d" % n) for n in range(3)]
        return await tasks[0] + await tasks[1] + await tasks[2]

    async def gathered(n):
        await leaf(n)
        return n

    async def gathers():
        return await asyncio.gather(*[gathered(n) for n in range(3)])

    async def ensured():
        await leaf(0)

    async def ensures():
        await asyncio.ensure_future(ensured())

    async def nested(n):
        if n:
            await asyncio.create_task(nested(n - 1), name="nested-%d" % (n - 1))

    async def renamed():
        await asyncio.sleep(0)

    async def by_loop():
        loop = asyncio.get_running_loop()
        task = loop.create_task(renamed())
        task.set_name("given \\u2603 later")
        await task

    def plain_helper():
        return asyncio.create_task(named(9), name="from a plain function")

    async def uses_helper():
        await plain_helper()

    async def raises():
        await asyncio.sleep(0)
        raise LookupError

    async def cancelled():
        await asyncio.sleep(10)

    async def awkward():
        tasks = [asyncio.create_task(raises(), name="raises"), asyncio.create_task(cancelled(), name="cancelled")]
        await asyncio.sleep(0)
        tasks[1].cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def waits_for():
        await asyncio.wait_for(asyncio.shield(leaf(5)), 5)

    async def main():
        for function in (creates, gathers, ensures, by_loop, uses_helper, awkward, waits_for):
            await function()
        await nested(3)
        if sys.version_info >= (3, 11):
            async with asyncio.TaskGroup() as group:
                for n in range(3):
                    group.create_task(named(n), name="group-%d" % n)

    with block("run", quiet=True, c_calls=False):
        asyncio.run(main())
    profiled = profile(main, name="profiled", quiet=True)
    asyncio.run(profiled())
    asyncio.run(main())

    class Loop(asyncio.SelectorEventLoop):
        def create_task(self, coro, **options):
            return super().create_task(coro, **options)

    loop = Loop()
    with block("own_loop", quiet=True):
        loop.run_until_complete(main())
    loop.close()

    outer, inner = block("outer", quiet=True), block("inner", quiet=True)
    with outer:
        with inner:
            asyncio.run(main())
"""


@pytest.fixture(scope="module")
def tasks(record_once):
    return record_once(TASKS)


def edges(tree):
    """(name of the task, its coroutine, the call that created it) of each task, in start order."""
    found = []
    for call in tree.calls:
        if "task" in call:
            creator = tree.by_id.get(call["created_by"])
            found.append((call["task"], short(call), short(creator)))
    return found


EXPECTED = {
    *((f"named-{n}", "named", "creates") for n in range(3)),
    *((f"nested-{n}", "nested", "nested") for n in range(2)),
    ("nested-2", "nested", "nested"),
    ("given \u2603 later", "renamed", "by_loop"),
    ("from a plain function", "named", "uses_helper"),
    ("raises", "raises", "awkward"),
    ("cancelled", "cancelled", "awkward"),
}
if sys.version_info >= (3, 11):
    EXPECTED |= {(f"group-{n}", "named", "main") for n in range(3)}


@pytest.mark.parametrize("name", ["run", "own_loop", "profiled", "outer", "inner"])
def test_names_and_creators(tasks, name):
    tree = tasks.tree_of(name)
    found = edges(tree)
    unnamed = [edge for edge in found if edge[0].startswith("Task-")]
    assert {edge for edge in found if not edge[0].startswith("Task-")} == EXPECTED
    assert [edge[1:] for edge in unnamed if edge[1] == "gathered"] == [("gathered", "gathers")] * 3
    assert [edge[1:] for edge in unnamed if edge[1] == "ensured"] == [("ensured", "ensures")]
    assert [edge[1:] for edge in unnamed if edge[1] == "leaf"] == [("leaf", "waits_for")]
    assert len({edge[0] for edge in unnamed}) == len(unnamed)
    main = tree.one("main")
    assert main["task"].startswith("Task-") and main["created_by"] is None
    told = {call["id"] for call in tree.calls if "task" in call}
    assert all("task" not in call for call in tree.named("leaf") if call["parent"] is not None and call["id"] not in told)


@pytest.mark.parametrize("name", ["run", "profiled"])
def test_the_creator_is_the_very_call(tasks, name):
    tree = tasks.tree_of(name)
    nested = {call.get("task"): call for call in tree.named("nested")}
    assert nested["nested-0"]["created_by"] == nested["nested-1"]["id"]
    assert nested["nested-1"]["created_by"] == nested["nested-2"]["id"]
    (first,) = [call for call in tree.named("nested") if "task" not in call]  # awaited by main itself
    assert nested["nested-2"]["created_by"] == first["id"]
    creates = tree.one("creates")
    assert [call["created_by"] for call in tree.named("named") if call.get("task", "").startswith("named-")] == [creates["id"]] * 3
    assert read_info(tasks.trace_of(name))["tasks"] == len([call for call in tree.calls if "task" in call])


def test_tasks_of_others_are_not_in_the_run(tasks):
    assert len(tasks.traces) == 5
    assert len(tasks.tree_of("profiled").named("main")) == 1


def test_a_run_within_a_task(record):
    run = record(
        """
        import asyncio
        from callprofiler import profile

        async def child(n):
            await asyncio.sleep(0)

        @profile(quiet=True)
        async def handler(n):
            await asyncio.gather(asyncio.create_task(child(n), name="child-%d" % n), child(n))

        async def main():
            await asyncio.gather(*[asyncio.create_task(handler(n), name="handler-%d" % n) for n in range(3)])

        asyncio.run(main())
        """
    )
    seen = set()
    for trace in run.traces:
        tree = Tree(read_calls(trace))
        handler = tree.one("handler")
        number = handler["task"][-1]
        seen.add(handler["task"])
        assert handler["created_by"] is None  # by nothing that is in this run
        children = tree.named("child")
        assert len(children) == 2 and {call["created_by"] for call in children} == {handler["id"]}
        assert f"child-{number}" in {call["task"] for call in children}
    assert seen == {"handler-0", "handler-1", "handler-2"}


@pytest.mark.skipif(sys.version_info < (3, 12), reason="eager tasks came with 3.12")
def test_eager_tasks(record):
    run = record(
        """
        import asyncio, json
        from callprofiler import block

        names = set()  # as they are when the tasks start: in some versions the one that was asked for is set later

        async def at_once(n):
            names.add(asyncio.current_task().get_name())
            return n

        async def later(n):
            names.add(asyncio.current_task().get_name())
            await asyncio.sleep(0)
            return n

        async def creates():
            tasks = [asyncio.create_task(function(n), name="%s-%d" % (function.__name__, n)) for n in range(2) for function in (at_once, later)]
            assert [await task for task in tasks] == [0, 0, 1, 1]

        async def main():
            asyncio.get_running_loop().set_task_factory(asyncio.eager_task_factory)
            await creates()

        with block("eager", quiet=True):
            asyncio.run(main())
        print(json.dumps(sorted(names)))
        """
    )
    tree = run.tree_of("eager")
    creates = tree.one("creates")
    assert len(tree.named("at_once")) == len(tree.named("later")) == 2
    for call in tree.named("at_once") + tree.named("later"):
        assert call["outcome"] == "returned" and call["end_ns"] is not None
    assert {(call["task"], call["created_by"]) for call in tree.named("later") + tree.named("at_once") if "task" in call} == {
        (name, creates["id"]) for name in json.loads(run.stdout)
    }
    assert len(json.loads(run.stdout)) == 4
    assert tree.one("main")["outcome"] == "returned" and creates["outcome"] == "returned"
