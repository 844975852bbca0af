"""Handlers that together write every kind of journal entry.

`make_recordings.py` runs them against a real restate-server; the tests replay the recordings
against `handlers:app`. Each closure adds its name to `EXECUTED`, so that a test can check
whether a replay ran one.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import restate
from restate import (
    Context,
    ObjectContext,
    ObjectSharedContext,
    RunOptions,
    Service,
    TerminalError,
    VirtualObject,
    Workflow,
    WorkflowContext,
    WorkflowSharedContext,
)
from restate._preview import explicit_recovery

EXECUTED: list[str] = []
ATTEMPTS: dict[str, int] = {}

things = Service("Things")
helper = Service("Helper")
counter = VirtualObject("Counter")
lazy = VirtualObject("Lazy")
order = Workflow("Order")


def note(name: str) -> None:
    EXECUTED.append(name)


# --- handlers that others call


@helper.handler()
async def echo(ctx: Context, text: str) -> str:
    return f"echo {text}"


@helper.handler()
async def refuse(ctx: Context, text: str) -> str:
    raise TerminalError(f"no {text}", 418)


@helper.handler()
async def slow(ctx: Context, text: str) -> str:
    await ctx.sleep(timedelta(minutes=10))
    return text


# --- steps


@things.handler()
async def run_ok(ctx: Context, name: str) -> dict[str, Any]:
    def first() -> dict[str, str]:
        note("first")
        return {"hello": name}

    async def second(number: int, *, factor: int) -> int:
        note("second")
        return number * factor

    one = await ctx.run("first", first)
    two = await ctx.run_typed("second", second, RunOptions(), 6, factor=7)
    return {"one": one, "two": two}


@things.handler()
async def run_terminal(ctx: Context, name: str) -> str:
    def fail() -> str:
        note("fail")
        raise TerminalError(f"cannot greet {name}", 422)

    try:
        return await ctx.run_typed("fail", fail)
    except TerminalError as error:
        return f"{error.status_code}: {error.message}"


@things.handler()
async def run_retried(ctx: Context, name: str) -> str:
    def flaky() -> str:
        note("flaky")
        number = ATTEMPTS[name] = ATTEMPTS.get(name, 0) + 1
        if number < 3:
            raise ValueError(f"attempt {number}")
        return f"{name} after {number}"

    return await ctx.run_typed(
        "flaky", flaky, RunOptions(initial_retry_interval=timedelta(milliseconds=20))
    )


@things.handler()
async def run_exhausted(ctx: Context, name: str) -> str:
    def broken() -> str:
        note("broken")
        raise ValueError("always")

    options: RunOptions[str] = RunOptions(
        max_attempts=2, initial_retry_interval=timedelta(milliseconds=20)
    )
    try:
        return await ctx.run_typed("broken", broken, options)
    except TerminalError as error:
        return f"gave up: {error.message}"


@things.handler()
async def fails(ctx: Context, name: str) -> str:
    def before() -> str:
        note("before")
        return "done"

    await ctx.run_typed("before", before)
    raise TerminalError(f"{name} is not allowed", 403)


@things.handler()
async def helpers(ctx: Context, name: str) -> dict[str, Any]:
    ident = ctx.uuid()
    number = ctx.random().randint(1, 1_000_000)
    now = await ctx.time()

    def use() -> str:
        note("use")
        return f"{ident}/{number}"

    used = await ctx.run_typed("use", use)
    return {"uuid": str(ident), "number": number, "now": now, "used": used}


# --- waiting and calling


@things.handler()
async def sleeps(ctx: Context, name: str) -> str:
    await ctx.sleep(timedelta(milliseconds=60), name="nap")
    await ctx.sleep(timedelta(milliseconds=30))
    return name


@things.handler()
async def calls(ctx: Context, name: str) -> list[str]:
    answer = await ctx.service_call(echo, name, headers={"x-note": "kept"})
    try:
        await ctx.service_call(refuse, name)
    except TerminalError as error:
        answer += f" / {error.message}"
    count = await ctx.object_call(add, "calls", 2)
    raw = await ctx.generic_call("Helper", "echo", b'"raw"')
    return [answer, str(count), raw.decode()]


@things.handler()
async def sends(ctx: Context, name: str) -> str:
    handle = ctx.service_send(echo, name)
    later = ctx.service_send(echo, "later", send_delay=timedelta(milliseconds=80))
    ctx.object_send(add, "sends", 1)
    first = await handle.invocation_id()
    second = await later.invocation_id()
    return f"{first != second}"


@things.handler()
async def attaches(ctx: Context, name: str) -> str:
    handle = ctx.service_send(echo, name, idempotency_key=f"attach-{name}")
    return await ctx.attach_invocation(await handle.invocation_id(), type_hint=str)


@things.handler()
async def cancels_other(ctx: Context, name: str) -> str:
    handle = ctx.service_send(slow, name)
    ident = await handle.invocation_id()
    ctx.cancel_invocation(ident)
    try:
        return await ctx.attach_invocation(ident, type_hint=str)
    except TerminalError as error:
        return f"it was {error.message}"


@things.handler()
async def awakeable_ok(ctx: Context, name: str) -> str:
    ident, answer = ctx.awakeable(type_hint=str)
    ctx.resolve_awakeable(ident, f"hello {name}")
    return await answer


@things.handler()
async def awakeable_rejected(ctx: Context, name: str) -> str:
    ident, answer = ctx.awakeable(type_hint=str)
    ctx.reject_awakeable(ident, f"not {name}", 409)
    try:
        return await answer
    except TerminalError as error:
        return error.message


@things.handler()
async def approval(ctx: Context, name: str) -> str:
    """Wait for a decision; the recording script resolves the awakeable."""
    ident, answer = ctx.awakeable(type_hint=str)

    def ask() -> str:
        note("ask")
        return ident

    await ctx.run_typed("ask", ask)
    return f"{name}: {await answer}"


@things.handler()
async def approval_or_timeout(ctx: Context, name: str) -> str:
    _, answer = ctx.awakeable(type_hint=str)
    match await restate.select(answer=answer, late=ctx.sleep(timedelta(milliseconds=60))):
        case ["answer", value]:
            return f"{name}: {value}"
        case _:
            return f"{name}: too late"


@things.handler()
async def signals(ctx: Context, name: str) -> list[str]:
    """Send a named signal to itself, and one that is rejected."""
    me = ctx.request().id
    go = ctx.signal("go", type_hint=str)
    stop = ctx.signal("stop", type_hint=str)
    ctx.resolve_signal(me, "go", f"go {name}")
    ctx.reject_signal(me, "stop", "stopped", 410)
    try:
        return [await go, await stop]
    except TerminalError as error:
        return [await go, error.message]


@things.handler()
async def cancelled(ctx: Context, name: str) -> str:
    """Wait until the recording script cancels it, then compensate."""

    def book() -> str:
        note("book")
        return "booked"

    def undo() -> str:
        note("undo")
        return "undone"

    await ctx.run_typed("book", book)
    try:
        await ctx.sleep(timedelta(minutes=10))
    except TerminalError:
        await ctx.run_typed("undo", undo)
        raise
    return name


# --- parallel steps


@things.handler()
async def gathers(ctx: Context, name: str) -> list[str]:
    async def part(number: int) -> str:
        note(f"part {number}")
        await asyncio.sleep(0.02 * (3 - number))
        return f"{name} {number}"

    parts = [ctx.run_typed(f"part {n}", part, RunOptions(), n) for n in range(3)]
    done = await restate.gather(*parts)
    return [await d for d in done]


@things.handler()
async def selects(ctx: Context, name: str) -> list[str]:
    async def quick() -> str:
        note("quick")
        return name

    winner, value = await restate.select(
        slow=ctx.service_call(slow, name), quick=ctx.run_typed("quick", quick)
    )
    return [winner, value]


@things.handler()
async def as_they_come(ctx: Context, name: str) -> list[str]:
    async def part(seconds: float) -> str:
        note(f"after {seconds}")
        await asyncio.sleep(seconds)
        return f"{name} {seconds}"

    parts = [ctx.run_typed(f"after {s}", part, RunOptions(), s) for s in (0.06, 0.0, 0.03)]
    return [await p async for p in restate.as_completed(*parts)]


@things.handler()
async def tasks(ctx: Context, name: str) -> list[str]:
    """Await durable steps in several asyncio tasks, as agents with parallel tools do."""

    async def tool(city: str) -> str:
        async def fetch() -> str:
            note(f"fetch {city}")
            return f"{name} in {city}"

        return await ctx.run_typed(f"fetch {city}", fetch)

    return list(await asyncio.gather(*(tool(c) for c in ("Oslo", "Bergen"))))


# --- state


@counter.handler()
async def add(ctx: ObjectContext, amount: int) -> int:
    before = await ctx.get("count", type_hint=int) or 0
    ctx.set("count", before + amount)
    return before + amount


@counter.handler()
async def everything(ctx: ObjectContext, name: str) -> dict[str, Any]:
    missing = await ctx.get("missing")
    ctx.set("a", {"name": name})
    ctx.set("b", [1, 2])
    keys = sorted(await ctx.state_keys())
    ctx.clear("a")
    after = await ctx.get("a")
    ctx.clear_all()
    return {"missing": missing, "keys": keys, "after": after, "left": await ctx.state_keys()}


@counter.handler(kind="shared")
async def look(ctx: ObjectSharedContext) -> int | None:
    return await ctx.get("count", type_hint=int)


@lazy.handler(enable_lazy_state=True)
async def lazily(ctx: ObjectContext, name: str) -> dict[str, Any]:
    before = await ctx.get("seen", type_hint=str)
    keys = await ctx.state_keys()
    ctx.set("seen", name)
    return {"before": before, "keys": keys, "now": await ctx.get("seen", type_hint=str)}


@counter.handler()
async def trip(ctx: ObjectContext, city: str) -> dict[str, Any]:
    """Book a trip with many kinds of commands; the tests change single lines."""

    def fetch(place: str, days: int) -> list[str]:
        note("fetch")
        return [f"{place} day {day}" for day in range(days)]

    def pay() -> str:
        note("pay")
        return "paid"

    visits = await ctx.get("visits", type_hint=int) or 0
    plan = await ctx.run_typed("fetch plan", fetch, RunOptions(), city, 2)
    hotel = await ctx.service_call(echo, f"hotel in {city}")
    await ctx.sleep(timedelta(milliseconds=30), name="think")
    receipt = await ctx.run_typed("pay", pay)
    ctx.object_send(add, "trips", 1)
    ident, approved = ctx.awakeable(type_hint=str)
    ctx.resolve_awakeable(ident, "yes")
    answer = await approved
    ctx.set("visits", visits + 1)
    return {"plan": plan, "hotel": hotel, "receipt": receipt, "approved": answer}


# --- workflows


@order.main()
async def place(ctx: WorkflowContext, item: str) -> str:
    ctx.set("item", item)
    peeked = await ctx.promise("paid", type_hint=str).peek()
    how = await ctx.promise("paid", type_hint=str).value()
    await ctx.promise("shipped").resolve(f"{item} on its way")
    try:
        await ctx.promise("cancelled").reject("never", 410)
        await ctx.promise("cancelled").value()
    except TerminalError as error:
        return f"{item} paid by {how} ({peeked}), {error.message} cancelled"
    return "unreachable"


@order.handler()
async def pay(ctx: WorkflowSharedContext, how: str) -> None:
    await ctx.promise("paid").resolve(how)


# --- a handler with explicit recovery

fresh = explicit_recovery(Service("Fresh"))


@fresh.handler()
async def anew(ctx: Context, name: str) -> str:
    def one() -> str:
        note("one")
        return f"one {name}"

    def two() -> str:
        note("two")
        return "two"

    first = await ctx.run_typed("one", one)
    await ctx.sleep(timedelta(milliseconds=40))
    return f"{first} {await ctx.run_typed('two', two)}"


app = restate.app([things, helper, counter, lazy, order, fresh])
