"""Twenty code changes to the handler `trip`, with the difference that each must produce."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Change:
    """An edit of `tests/recordings/handlers.py`."""

    name: str
    old: str
    new: str
    kind: str | None
    """Kind of the difference; None if there is no difference."""
    command: int = 0
    """Ordinal of its command."""
    recorded: str | None = None
    current: str | None = None
    at: str | None = None
    """Text on the line of the new code to which the difference refers."""
    refused: bool = True
    """Whether the SDK refuses the journal."""


PAY = 'receipt = await ctx.run_typed("pay", pay)'
FETCH = 'await ctx.run_typed("fetch plan", fetch, RunOptions(), city, 2)'
HOTEL = 'await ctx.service_call(echo, f"hotel in {city}")'
SLEEP = 'await ctx.sleep(timedelta(milliseconds=30), name="think")'
SEND = 'ctx.object_send(add, "trips", 1)'
SET = 'ctx.set("visits", visits + 1)'
RETURN = 'return {"plan": plan, "hotel": hotel, "receipt": receipt, "approved": answer}'

CHANGES = [
    Change("nothing", PAY, PAY, None, refused=False),
    Change("a comment and a log line", PAY, f'print("paying")\n    {PAY}', None, refused=False),
    Change(
        "the body of a step", 'note("pay")\n        return "paid"', 'return "paid twice"', None,
        refused=False,
    ),
    Change(
        "a step renamed", '"pay", pay', '"charge", pay', "renamed", 5, "pay", "charge",
        at='"charge"',
    ),
    Change(
        "a step added", PAY, f'{PAY}\n    await ctx.run_typed("audit", pay)', "added", 6, None,
        "Run audit", at='"audit"',
    ),
    Change(
        "a step removed", PAY, 'receipt = "paid"', "removed", 5, "Run pay", None, at="object_send",
    ),
    Change(
        "a step moved", f"{SLEEP}\n    {PAY}", f"{PAY}\n    {SLEEP}", "moved", 4, "Sleep think",
        "now after Run pay", at='name="think"',
    ),
    Change(
        "a step's argument", "city, 2)", "city.upper(), 2)", "arguments", 2, 'args[0] = Oslo',
        'args[0] = OSLO', at="city.upper()", refused=False,
    ),
    Change(
        "another service called", "service_call(echo, f", "service_call(refuse, f", "target", 3,
        "Helper/echo", "Helper/refuse", at="refuse",
    ),
    Change(
        "a call's parameter", 'f"hotel in {city}"', 'f"hostel in {city}"', "parameter", 3,
        "hotel in Oslo", "hostel in Oslo", at="hostel",
    ),
    Change(
        "a call's header", 'f"hotel in {city}")', 'f"hotel in {city}", headers={"x": "1"})',
        "headers", 3, "[]", '[["x", "1"]]', at='headers={"x"',
    ),
    Change(
        "a call made a send", HOTEL, 'ctx.service_send(echo, f"hotel in {city}") and "echo"',
        "removed", 3, "Call Helper/echo", None, at='name="think"',
    ),
    Change(
        "a duration", "milliseconds=30), name", "minutes=5), name", "duration", 4, "0.03 s",
        "300 s",
        at="minutes=5", refused=False,
    ),
    Change(
        "a send delayed", '"trips", 1)', '"trips", 1, send_delay=timedelta(hours=1))', "duration",
        6, None, "3600 s", at="hours=1", refused=False,
    ),
    Change(
        "a send to another key", '"trips", 1', '"journeys", 1', "target", 6, "trips", "journeys",
        at="journeys",
    ),
    Change(
        "an awakeable's value", 'resolve_awakeable(ident, "yes")',
        'resolve_awakeable(ident, "no")', "value", 7, "yes", "no", at='"no"',
    ),
    Change(
        "a state key", 'ctx.set("visits"', 'ctx.set("trips"', "target", 8, "visits", "trips",
        at='ctx.set("trips"',
    ),
    Change(
        "a state value", "visits + 1)", "visits + 2)", "value", 8, "1", "2", at="visits + 2",
    ),
    Change(
        "the output", RETURN, RETURN.replace('"approved"', '"answer"'), "output", 9,
        '"approved": "yes"', '"answer": "yes"', at="return {",
    ),
    Change(
        "an error instead of the end", SET, 'raise TerminalError("no room", 409)', "output", 9,
        None, "409: no room", at="raise TerminalError",
    ),
    Change(
        "an exception", PAY, f'{PAY}\n    raise ValueError("oops")', "error", 6,
        "OneWayCall Counter/add", "ValueError('oops')", at="raise ValueError",
    ),
    Change(
        "steps in parallel", f"plan = {FETCH}\n    hotel = {HOTEL}",
        'plan_, hotel_ = ctx.run_typed("fetch plan", fetch, RunOptions(), city, 2), '
        'ctx.service_call(echo, f"hotel in {city}")\n    plan, hotel = await plan_, await hotel_',
        None, refused=False,
    ),
]  # fmt: skip
"""All changes; three of them must produce no difference."""
