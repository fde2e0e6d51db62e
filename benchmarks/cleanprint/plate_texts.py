"""What stands on a nameplate."""

from __future__ import annotations

from cleanprint.texts import DIGITS, UNITS, UPPER, WORDS, Rng, date, gs1, lot, one_of, take, version


def plate_lines(rng: Rng) -> list[tuple[str, str]]:
    """6 to 10 lines of a nameplate: (kind, text) each."""
    number = int(rng.integers(1, 999))
    fields = [
        ("words", f"Model: {take(rng, UPPER, 2)}-{number}/{number % 9}.5"),
        ("random code", f"PN {take(rng, DIGITS, 4)}-{take(rng, DIGITS, 4)}-{take(rng, UPPER, 2)}"),
        ("words", f"Rated {number % 48 + 1} VDC {number % 7}.{take(rng, DIGITS, 2)} A"),
        ("GS1", gs1(rng)),
        ("words", f"Made in {one_of(rng, 'Austria', 'Japan', 'Switzerland', 'USA', 'Italy')}"),
        ("date", date(rng)),
        ("runs", f"S/N {number:07}"),
        ("words", f"Weight: {number / 10:.1f} kg"),
        ("signed", f"IP6{number % 9} -{number % 50 + 5}..+{number % 40 + 45}C"),
        ("lot", lot(rng)),
        ("version", version(rng)),
        ("words", f"{one_of(rng, *WORDS)} {number % 20}.5 {one_of(rng, *UNITS)} max."),
    ]
    maker = one_of(rng, "ACME", "Wimmer", "KOYO", "Bolt & Ives", "NMB", "Huber+Co")
    trade = one_of(rng, "Hydraulics GmbH", "Motors Ltd.", "Pumpen AG", "Sensor Inc.", "WERKE")
    count = int(rng.integers(5, 10))
    chosen = rng.permutation(len(fields))[:count]
    return [("words", f"{maker} {trade}"), *(fields[i] for i in chosen)]
