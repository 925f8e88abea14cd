"""What a grant costs where sixteen sessions share the quota of an account, beside one of its own.

As many leases are granted and ended in turn in both pools, of equally many sessions, in interleaved
rounds in one process: the rules alone, without the log.
"""

import statistics

from benchmarks.bench_waiting import AT_ONCE, Crowd, pool_of

SESSIONS, IN_AN_ACCOUNT = 512, 16
LEASES, ROUNDS = 20_000, 7


def main() -> None:
    """Measure both ways in turns."""
    crowds = {size: Crowd(pool_of(SESSIONS, AT_ONCE, size)) for size in (0, IN_AN_ACCOUNT)}
    figures: dict[int, list[float]] = {size: [] for size in crowds}
    for _ in range(ROUNDS):
        for size, crowd in crowds.items():
            figures[size].append(crowd.run_leases(LEASES))
    alone, shared = (statistics.median(micros) for micros in figures.values())
    print(f"each its own account        {alone:10.1f} us a lease and its end")
    print(f"accounts of {IN_AN_ACCOUNT} sessions      {shared:10.1f} us")
    print(f"ratio                       {shared / alone:10.2f} times")


if __name__ == "__main__":
    main()
