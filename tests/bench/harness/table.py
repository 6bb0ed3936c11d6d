"""The table, as text or Markdown."""

HEADINGS = ["row", "subject", "clients", "per second, or what is said", "p50 ms", "p95 ms", "p99 ms",
            "CPU s per 1,000, by process", "bytes written each", "memory MB", "compared", "further"]


def number(value):
    if value is None:
        return ""
    size = abs(value)
    return f"{value:,.0f}" if size >= 100 else f"{value:.1f}" if size >= 10 else f"{value:.2f}"


def _by_role(values):
    return ", ".join(f"{role} {number(value)}" for role, value in (values or {}).items() if value is not None)


def _rate(figure):
    low, high = figure["range"] or (None, None)
    spread = f" [{number(low)}-{number(high)}]" if figure["rounds"] > 1 and low is not None else ""
    told = number(figure.get(figure["measure"])) + spread
    return told if figure["measure"] == "per_second" else f"{figure['measure'].replace('_', ' ')}: {told}"


def rows(figures, ratios):
    for figure in figures:
        ratio = ratios.get(key(figure))
        times = [number(figure.get(name)) for name in ("p50_ms", "p95_ms", "p99_ms")]
        written = figure.get("bytes_per_operation") or {}
        yield [figure["row"], figure["subject"], str(figure["clients"] or ""), _rate(figure), *times,
               _by_role(figure.get("cpu_s_per_1000")), number(sum(written.values())) if written else "",
               _by_role(figure.get("memory_mb")), _compared(figure, ratio), _by_role(figure.get("further"))]


def _compared(figure, ratio):
    if figure.get("limit_ms"):  # not a ratio between subjects, and less is better
        return f"p99 is {number(figure['p99_ms'] / figure['limit_ms'])} of {number(figure['limit_ms'])} ms"
    return f"{number(ratio)} x" if ratio is not None else ""


def key(figure):
    """What names a figure's ratio from run to run."""
    return f"{figure['row']} / {figure['subject']} / {figure['clients']}"


def markdown(result):
    lines = [HEADINGS, ["---"] * len(HEADINGS), *rows(result["figures"], result["ratios"])]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n\n" + _told(result)


def text(result):
    lines = [HEADINGS, *rows(result["figures"], result["ratios"])]
    widths = [max(len(line[column]) for line in lines) for column in range(len(HEADINGS))]
    padded = ("  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip() for line in lines)
    return "\n".join(padded) + "\n\n" + _told(result)


def _told(result):
    machine = result["machine"]
    notes = "".join(f"{note}\n" for note in result["notes"])
    return (f"{machine['processors']}, {machine['memory_gib']} GiB, {machine['system']}; "
            f"{machine['fdatasync_per_second']:,} appends of 4 KiB with fdatasync a second; servers and clients on the "
            f"same processors. Others used {machine['busy_cores_before']} cores before the run{_meanwhile(result)}. "
            f"Medians of {result['rounds']} interleaved rounds of {result['seconds']:g} s, commit {result['commit']}: "
            f"`{result['command']}`\n{notes}")


def _meanwhile(result):
    others = [figure["others_cores"] for figure in result["figures"] if figure.get("others_cores") is not None]
    return f" and up to {max(others):.2f} meanwhile" if others else ""
