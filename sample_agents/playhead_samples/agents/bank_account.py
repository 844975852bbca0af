"""Account of a bank customer: the virtual object that bank agent and loans use (see `bank`)."""

from __future__ import annotations

from typing import TypedDict

import restate

from playhead_samples.effects import act
from playhead_samples.service_options import retries

OPENING_BALANCE = 1500


class Transaction(TypedDict):
    """Money in (positive) or out (negative), in USD."""

    amount: int
    text: str


account = restate.VirtualObject("BankAccount", invocation_retry_policy=retries())


@account.handler(kind="shared")
async def balance(ctx: restate.ObjectSharedContext) -> int:
    """Return the balance, in USD."""
    booked = await ctx.get("transactions", type_hint=list[Transaction]) or []
    return OPENING_BALANCE + sum(t["amount"] for t in booked)


@account.handler(kind="shared")
async def transactions(ctx: restate.ObjectSharedContext) -> list[Transaction]:
    """Return all transactions, oldest first."""
    opening = Transaction(amount=OPENING_BALANCE, text="opening balance")
    return [opening, *(await ctx.get("transactions", type_hint=list[Transaction]) or [])]


async def move_money(customer: str, amount: int) -> None:
    """Write the amount to the ledger."""
    await act("move_money", customer=customer, amount=amount)


@account.handler()
async def deposit(ctx: restate.ObjectContext, booked: Transaction) -> None:
    """Book a transaction."""
    await ctx.run_typed("Move money", move_money, customer=ctx.key(), amount=booked["amount"])
    before = await ctx.get("transactions", type_hint=list[Transaction]) or []
    ctx.set("transactions", [*before, booked])
