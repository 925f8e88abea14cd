"""Regions by name, and how names that others give them are read.

A region is where servers stand; a group is where a client is, when no more than its country is
known, and names the regions that are its own. The groups are the original's, with what it left
out: Japan, Korea, Singapore and Hong Kong lead somewhere, and the United States have two coasts.

Names are the stems of Google Cloud's regions ("Regions and zones"), without their numbers. Each
has one place that stands for it, with degrees north and east of its city as GeoNames has them: for
the United States the mean centre of population (Census Bureau, 2020), for Europe the middle of the
European Union (IGN, 2020).
"""

import re

import msgspec

from runtime.geography.countries import COUNTRIES
from runtime.texts import is_writable


class Region(msgspec.Struct, frozen=True):
    """A name's place in degrees; `homes`: the regions that are all equally near to who is there."""

    city: str
    north: float
    east: float
    homes: tuple[str, ...] = ()


REGIONS: dict[str, Region] = {
    "africa-south": Region("Johannesburg", -26.2, 28.0),
    "asia-east": Region("Hong Kong", 22.3, 114.2),
    "asia-northeast": Region("Tokyo", 35.7, 139.7),
    "asia-south": Region("Mumbai", 19.1, 72.9),
    "asia-southeast": Region("Singapore", 1.3, 103.9),
    "australia-southeast": Region("Sydney", -33.9, 151.2),
    "europe-central": Region("Frankfurt", 50.1, 8.7),
    "europe-north": Region("Stockholm", 59.3, 18.1),
    "europe-south": Region("Milan", 45.5, 9.2),
    "europe-west": Region("Brussels", 50.9, 4.3),
    "me-central": Region("Dubai", 25.1, 55.2),
    "northamerica-northeast": Region("Montréal", 45.5, -73.6),
    "southamerica-east": Region("São Paulo", -23.5, -46.6),
    "us-central": Region("Council Bluffs", 41.3, -95.9),
    "us-east": Region("Ashburn", 39.0, -77.5),
    "us-south": Region("Dallas", 32.8, -96.8),
    "us-west": Region("The Dalles", 45.6, -121.2),
}
GROUPS: dict[str, Region] = {
    "asia": Region("Bangkok", 13.8, 100.5, ("asia-east", "asia-southeast")),
    "china": Region("Shanghai", 31.2, 121.5, ("asia-east",)),
    "europe": Region("Gadheim", 49.8, 9.9, ("europe-west",)),
    "hong-kong": Region("Hong Kong", 22.3, 114.2, ("asia-east",)),
    "japan": Region("Tokyo", 35.7, 139.7, ("asia-northeast",)),
    "korea": Region("Seoul", 37.6, 127.0, ("asia-northeast",)),
    "singapore": Region("Singapore", 1.3, 103.9, ("asia-southeast",)),
    "us": Region("Hartville", 37.4, -92.3, ("us-west", "us-east")),
}
KNOWN = REGIONS | GROUPS

_NUMBERED = re.compile(r"(?<=[a-z])-?[0-9]{1,2}(?:-?[a-z])?\Z")
"""`us-east-1`, `us-east1` and `us-east1-b` are `us-east`."""
_OTHERS = {
    "ap": "asia",
    "ap-southeast-2": "australia-southeast",
    "ca-central": "northamerica-northeast",
    "hongkong": "hong-kong",
    "me-south": "me-central",
    "oceania": "australia-southeast",
    "usa": "us",
}
_PREFIXES = {"af": "africa", "ap": "asia", "eu": "europe", "sa": "southamerica"}
"""How Amazon shortens continents."""


def region_named(text: str) -> str:
    """Read a region's name: a country's code, a region, a group, in the spelling of other clouds.

    What nobody knows stays as it is, in lower case: two that are called so are in one place. Empty
    when it says nothing: no text, no country (`XX`, `T1`, `ZZ`), more than 64 characters.
    """
    name = text.strip().lower().replace("_", "-")
    if name in KNOWN:
        return name
    if len(name) == 2:  # noqa: PLR2004 (ISO 3166-1)
        return COUNTRIES.get(name.upper(), "")
    if name in _OTHERS:
        return _OTHERS[name]
    stem = _NUMBERED.sub("", name)
    stem = _OTHERS.get(stem, stem)
    first, dash, rest = stem.partition("-")
    stem = _PREFIXES.get(first, first) + dash + rest
    if stem in KNOWN:
        return stem
    return name if is_writable(name) else ""
