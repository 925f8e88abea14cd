"""Hold the coverage of the tests to its bounds; branches count.

`python -m tests.house.coverage_bounds pure`: the pure rooms, to 100 % by unit tests alone. What
processes wrote that were killed does not decide it.
`python -m tests.house.coverage_bounds whole`: everything, in all processes, to 90 %.
"""

import sys
from io import StringIO

import coverage

WHOLE = 90.0
PURE = {
    "contracts/*": 100.0,
    "services/pool/domain/*": 100.0,
    "services/pool/audit/*": 100.0,
    "services/balancer/domain/*": 100.0,
    "services/balancer/strategies/*": 100.0,
    "services/gateway/domain/*": 100.0,
    "services/gateway/dialects/*": 100.0,
    "services/analytics/domain/*": 100.0,
}


def main() -> None:
    """Print what is not covered; exit with 1 when a bound is broken, with 2 for another word."""
    match sys.argv[1:]:
        case ["pure"]:
            short = pure_shortfalls()
        case ["whole"]:
            short = whole_shortfalls()
        case _:
            sys.exit("expected one word: pure or whole")
    print("\n".join(short) or "every bound of coverage is held")
    sys.exit(bool(short))


def pure_shortfalls() -> list[str]:
    """Name the pure rooms of which something is not covered, and print what."""
    measured, short = _measured(), []
    for pattern, bound in PURE.items():
        report = StringIO()
        percent = measured.report(include=[pattern], file=report, show_missing=True)
        if percent < bound:
            short.append(f"{pattern}: {percent:.1f} %, expected {bound:.0f} %")
            print(report.getvalue())
    return short


def whole_shortfalls() -> list[str]:
    """Print what is not covered of everything, and say so if that is too much."""
    percent = _measured().report(show_missing=True, skip_covered=True)
    return [] if percent >= WHOLE else [f"everything: {percent:.1f} %, expected {WHOLE:.0f} %"]


def _measured() -> coverage.Coverage:
    measured = coverage.Coverage()
    measured.load()
    return measured


if __name__ == "__main__":
    main()
