"""Prices as rows equal the prices of single calls, over all models of the package."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
from genai_prices import Usage, calc_price
from genai_prices.data_snapshot import get_snapshot
from playhead.kept_prices import LARGEST, MOST_ROWS, KeptPrices
from playhead.prices import COST_SQL, PRICE_COLUMNS, cost_of, price_list

AT = datetime(2026, 3, 14, 15, tzinfo=UTC)


def test_a_call_costs_what_the_provider_lists() -> None:
    """gpt-4o-mini: $0.15 and $0.60 for a million tokens, $0.075 if cached."""
    assert cost_of(
        "openai", "gpt-4o-mini", AT, input_tokens=1_000_000, output_tokens=1_000_000,
        cache_read_tokens=400_000,
    ) == pytest.approx(0.6 * 0.15 + 0.4 * 0.075 + 0.6)  # fmt: skip


@pytest.mark.parametrize(
    ("provider", "model", "input_tokens"),
    [("openai", "gpt-local", 10), ("ollama", "gpt-4o", 10), ("openai", None, 10),
     ("openai", "gpt-4o", None)],
)  # fmt: skip
def test_unknown_models_and_missing_tokens_have_no_price(
    provider: str, model: str | None, input_tokens: int | None
) -> None:
    assert cost_of(provider, model, AT, input_tokens=input_tokens, output_tokens=None) is None
    assert not model or not price_list([(provider, model, AT.date())]) or input_tokens is None


def test_the_provider_is_found_by_the_model() -> None:
    given = cost_of("anthropic", "claude-sonnet-4-5", AT, input_tokens=5, output_tokens=5)
    assert given is not None
    assert cost_of(None, "claude-sonnet-4-5", AT, input_tokens=5, output_tokens=5) == given


def listed(call: dict[str, Any], values: dict[str, int]) -> float | None:
    """Return the price as the package calculates it; None for other units than tokens of text."""
    try:
        found = calc_price(
            Usage(**values), call["model"], provider_id=call["provider"],
            genai_request_timestamp=call["at"],
        )  # fmt: skip
    except LookupError:
        return None
    price = found.model_price
    if price.input_mtok is None and price.output_mtok is None:
        return None
    return float(found.total_price)


def test_rows_price_every_model_as_the_package_does() -> None:
    """Tiers of long prompts, caches, dates and times of day included."""
    pick = random.Random(7)
    models = [(p.id, m.id) for p in get_snapshot().providers for m in p.models]
    timed = [("deepseek", "deepseek-chat"), ("deepseek", "deepseek-reasoner")]
    calls: list[dict[str, Any]] = []
    for provider, model in [*pick.sample(models, 400), *timed * 20]:
        size = pick.choice((0, 10, 9_999, 128_000, 200_000, 200_001, 272_001, 1_500_000))
        read = pick.randint(0, size // 2)
        calls.append({
            "provider": pick.choice((provider, provider)), "model": model,
            "at": AT + timedelta(days=pick.randint(-500, 300), minutes=pick.randint(0, 1439)),
            "input_tokens": size, "output_tokens": pick.randint(0, 5000),
            "cache_read_tokens": read, "cache_write_tokens": pick.randint(0, size - read),
        })  # fmt: skip
    rows = price_list((c["provider"], c["model"], c["at"].date()) for c in calls)
    connection = duckdb.connect()
    columns = json.dumps([PRICE_COLUMNS])
    connection.execute(
        "CREATE TABLE price AS SELECT unnest(from_json(?::JSON, ?), recursive := true)",
        [json.dumps([asdict(row) for row in rows]), columns],
    )
    priced = 0
    for call in calls:
        values = {k: v for k, v in call.items() if k not in ("provider", "model", "at")}
        expected = listed(call, values)
        own = cost_of(call["provider"], call["model"], call["at"], **values)
        assert own == (None if expected is None else pytest.approx(expected)), call
        found = connection.execute(
            f"SELECT {COST_SQL} FROM (SELECT ? AS provider, ? AS model, ? AS at,"
            " ? AS input_tokens, ? AS output_tokens, ? AS cache_read_tokens,"
            " ? AS cache_write_tokens) call LEFT JOIN price ON price.model = call.model"
            " AND price.provider = call.provider AND call.at >= since AND call.at < until"
            " AND call.input_tokens > over AND call.input_tokens <= most",
            [call["provider"], call["model"], int(call["at"].timestamp() * 1e6), *values.values()],
        ).fetchall()
        assert len(found) == 1, call
        assert found[0][0] == (None if expected is None else pytest.approx(expected)), call
        priced += expected is not None
    assert priced > 300


KEPT = """
import json, sys
from datetime import date
from pathlib import Path
from playhead.prices import keep_prices, price_list

keep_prices(Path(sys.argv[1]))
used = [("openai", "gpt-4o", date(2026, 3, 14)), ("deepseek", "deepseek-chat", date(2025, 3, 14)),
        ("google", "gemini-2.5-pro", date(2026, 3, 14)), (None, "unknown", date(2026, 3, 14))]
print(json.dumps([repr(price_list(used)), "genai_prices" in sys.modules]))
"""


def priced(folder: Path) -> tuple[str, bool]:
    """Return the prices of some models in a new process, and whether it loaded the package."""
    command = [sys.executable, "-c", KEPT, folder]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    rows, loaded = json.loads(done.stdout)
    return rows, loaded


def test_kept_prices_are_those_of_the_package(tmp_path: Path) -> None:
    rows, loaded = priced(tmp_path)
    assert rows.count("PriceRow") > 10
    assert loaded
    assert priced(tmp_path) == (rows, False)
    file = tmp_path / "prices.json"
    assert (file.stat().st_mode & 0o777, list(tmp_path.iterdir())) == (0o600, [file])
    text = file.read_text()
    other_version = text.replace('"version": "', '"version": "7')
    for damaged in ("{", "[]", text.replace("0.0", "NaN"), other_version, "[" * 100_000):
        file.write_text(damaged)
        assert priced(tmp_path) == (rows, True), damaged[:80]
    file.unlink()
    file.mkdir()
    assert priced(tmp_path) == (rows, True)
    assert priced(tmp_path / "absent") == (rows, True)
    assert not (tmp_path / "absent").exists()


def test_the_newest_prices_are_kept(tmp_path: Path) -> None:
    sources = [Path(__file__)]
    kept = KeptPrices(tmp_path, sources=sources, width=1)
    for number in range(MOST_ROWS + 1):
        kept.put(((number,),), "p", "m", str(number))
    kept.put(((7,),), "p\nm", "x", "1")
    kept.put(((8,),), "p", "m" * LARGEST, "1")
    kept.save()
    again = KeptPrices(tmp_path, sources=sources, width=1)
    assert (again.get("p", "m", "1"), again.get("p", "m", "2")) == (None, ((2,),))
    assert (again.get("p\nm", "x", "1"), again.get("p", "m\nx", "1")) == (((7,),), None)
    assert KeptPrices(tmp_path, sources=sources, width=2).get("p", "m", "2") is None
