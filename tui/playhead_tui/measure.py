"""Numbers as people read them: durations, ages, token counts, sizes."""

from __future__ import annotations

from datetime import datetime

__all__ = ["clock", "count", "duration", "seconds_between", "size"]


def seconds_between(start: datetime | None, end: datetime | None) -> float | None:
    """Seconds from start to end, never negative (clocks of two machines may disagree)."""
    if start is None or end is None:
        return None
    return max(0.0, (end - start).total_seconds())


def duration(seconds: float | None, *, coarse: bool = False) -> str:
    """`12ms`, `4.2s`, `1m 03s`, `2h 05m`, `3d 04h`; coarse: `4s`, `1m`, `2h`, `3d`. Else "".

    Args:
        seconds: how long; None gives an empty text.
        coarse: one unit only, as ages are shown.
    """
    if seconds is None:
        return ""
    if coarse:
        for unit, length in (("d", 86400), ("h", 3600), ("m", 60)):
            if seconds >= length:
                return f"{int(seconds // length)}{unit}"
        return f"{int(seconds)}s"
    if seconds < 0.9995:
        return f"{seconds * 1000:.0f}ms"
    if seconds < 59.95:
        return f"{seconds:.1f}s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60}m {whole % 60:02d}s"
    if whole < 86400:
        return f"{whole // 3600}h {whole % 3600 // 60:02d}m"
    return f"{whole // 86400}d {whole % 86400 // 3600:02d}h"


def count(number: int | None) -> str:
    """`412`, `1.2k`, `34k`, `1.2M`; "" for None."""
    if number is None:
        return ""
    for unit, size_ in (("M", 1_000_000), ("k", 1_000)):
        if number >= size_:
            value = number / size_
            return f"{value:.1f}{unit}" if value < 9.95 else f"{value:.0f}{unit}"
    return str(number)


def size(octets: int) -> str:
    """`812 B`, `1.4 KB`, `2.0 MB`."""
    if octets < 1000:
        return f"{octets} B"
    return f"{octets / 1000:.1f} KB" if octets < 1_000_000 else f"{octets / 1_000_000:.1f} MB"


def clock(moment: datetime | None) -> str:
    """Time of day in the viewer's zone with milliseconds; "" for None."""
    return "" if moment is None else moment.astimezone().strftime("%H:%M:%S.%f")[:-3]
