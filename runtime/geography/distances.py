"""Kilometres between any two regions: great circles between the places that stand for them.

Source: the haversine formula (R. W. Sinnott, "Virtues of the Haversine", Sky and Telescope 68,
1984), on a sphere of the Earth's mean radius (IUGG: 6,371.0 km), to the kilometre. Cables go
other ways; what is nearer by them is nearer by this nearly always.
"""

from itertools import product
from math import asin, cos, radians, sin, sqrt

from runtime.geography.regions import KNOWN, Region

_RADIUS_KM = 6371.0
FAR_KM = 20_100
"""Of what nobody knows: more than between any two places of the Earth (20,015 km)."""


def _great_circle_km(one: Region, other: Region) -> int:
    north, south = radians(one.north), radians(other.north)
    across = sin(radians(one.east - other.east) / 2) ** 2
    along = sin((north - south) / 2) ** 2 + cos(north) * cos(south) * across
    return round(2 * _RADIUS_KM * asin(sqrt(along)))


def _table_km(one: str, other: str) -> int:
    if one == other or other in KNOWN[one].homes or one in KNOWN[other].homes:
        return 0
    return _great_circle_km(KNOWN[one], KNOWN[other])


DISTANCES_KM = {(one, other): _table_km(one, other) for one, other in product(KNOWN, repeat=2)}
"""Between two names of `KNOWN`; 0 between a group and its own regions."""


def distance_km(one: str, other: str) -> int:
    """Tell how far two regions are apart; `FAR_KM` where one is not known, unless both are one."""
    known = DISTANCES_KM.get((one, other))
    if known is not None:
        return known
    return 0 if one and one == other else FAR_KM
