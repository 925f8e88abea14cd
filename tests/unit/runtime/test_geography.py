"""Regions: every country has one, names are read as others write them, distances are true."""

import re
from importlib.resources import files

import pytest

from runtime.credentials import REGIONS as SESSION_REGIONS
from runtime.geography.countries import COUNTRIES
from runtime.geography.distances import DISTANCES_KM, FAR_KM, distance_km
from runtime.geography.regions import GROUPS, KNOWN, REGIONS, region_named
from tests import ROOT

OF_NO_COUNTRY = {"AP", "EU", "XK"}
"""Asia and Europe to a registry, and Kosovo."""


def test_every_country_of_iso_3166_has_a_region_that_is_known() -> None:
    listed = (files("tzdata") / "zoneinfo" / "iso3166.tab").read_text("utf-8").splitlines()
    codes = {line.split("\t")[0] for line in listed if not line.startswith("#")}

    assert set(COUNTRIES) == codes | OF_NO_COUNTRY
    assert set(COUNTRIES.values()) <= set(KNOWN)


def test_the_groups_of_the_original_lead_where_it_says_and_the_missing_ones_lead_somewhere() -> (
    None
):
    homes = {name: set(group.homes) for name, group in GROUPS.items()}

    assert homes == {
        "asia": {"asia-east", "asia-southeast"},
        "china": {"asia-east"},
        "us": {"us-west", "us-east"},
        "europe": {"europe-west"},
        "japan": {"asia-northeast"},
        "korea": {"asia-northeast"},
        "singapore": {"asia-southeast"},
        "hong-kong": {"asia-east"},
    }


def test_the_homes_of_a_group_are_what_is_nearest_to_it() -> None:
    for name, group in GROUPS.items():
        nearest = {region for region in REGIONS if distance_km(name, region) == 0}

        assert nearest == set(group.homes)


def test_distances_are_complete_symmetric_and_obey_the_triangle_between_regions() -> None:
    assert set(DISTANCES_KM) == {(one, other) for one in KNOWN for other in KNOWN}
    for one in KNOWN:
        assert distance_km(one, one) == 0
        for other in KNOWN:
            assert distance_km(one, other) == distance_km(other, one) < FAR_KM
    for one in REGIONS:
        for other in REGIONS:
            for third in REGIONS:
                way = distance_km(one, third) + distance_km(third, other)
                assert distance_km(one, other) <= way + 2


@pytest.mark.parametrize(
    ("one", "other", "km"),
    [
        ("us-east", "us-west", 3_630),
        ("asia-northeast", "asia-southeast", 5_315),
        ("europe-west", "us-east", 6_230),
        ("southamerica-east", "africa-south", 7_450),
    ],
)
def test_distances_are_those_that_an_atlas_has(one: str, other: str, km: int) -> None:
    assert distance_km(one, other) == pytest.approx(km, rel=0.02)


@pytest.mark.parametrize("name", ["atlantis", "", "us-gov-west"])
def test_what_nobody_knows_is_far_from_everything_but_itself(name: str) -> None:
    assert {distance_km(name, other) for other in KNOWN} == {FAR_KM}
    assert distance_km(name, "elsewhere") == FAR_KM
    assert distance_km(name, name) == (0 if name else FAR_KM)


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("us-east", "us-east"),
        ("us-east-1", "us-east"),
        ("us-east1-b", "us-east"),
        ("US_West_2", "us-west"),
        ("eu-west-1", "europe-west"),
        ("ap-northeast-1", "asia-northeast"),
        ("ap-southeast-2", "australia-southeast"),
        ("ca-central-1", "northamerica-northeast"),
        ("sa-east-1", "southamerica-east"),
        (" JP ", "japan"),
        ("kr", "korea"),
        ("hk", "hong-kong"),
        ("SG", "singapore"),
        ("CN", "china"),
        ("US", "us"),
        ("europe", "europe"),
        ("Berlin-1", "berlin-1"),
        ("XX", ""),
        ("T1", ""),
        ("ZZ", ""),
        ("", ""),
        ("a\x00b", ""),
        ("a" * 65, ""),
    ],
)
def test_names_are_read_as_others_write_them(written: str, name: str) -> None:
    assert region_named(written) == name


def test_the_regions_of_sessions_are_countries_too() -> None:
    assert {region_named(region) for region in SESSION_REGIONS} == {
        "us",
        "hong-kong",
        "japan",
        "singapore",
    }


def test_the_page_has_the_groups_and_regions_of_the_code() -> None:
    page = (ROOT / "docs" / "explanation" / "geography.md").read_text()
    rows = re.findall(r"^\| `([a-z-]+)` \| (.+?) \| (.+?) \|$", page, re.MULTILINE)

    assert {name: (city, re.findall("`(.+?)`", homes)) for name, city, homes in rows} == {
        name: (group.city, [*group.homes]) for name, group in GROUPS.items()
    }
    assert [name for name in REGIONS if f"`{name}`" not in page] == []
    assert f"{FAR_KM:,} km" in page
