"""Every country's region: ISO 3166-1, and what registries write where they name no country.

A country is in the group that the original has for it, else in a region that is near to most of
its people.
"""

_COUNTRIES = {
    "asia": "AP BN BT CX CC FM GU ID KG KH KZ LA MH MM MN MP MY NR PH PW TH TJ TL TM UZ VN",
    "china": "CN",
    "europe": (
        "AD AL AM AT AX AZ BA BE BG BY CH CY CZ DE DK EE ES EU FI FO FR GB GE GG GI GL GR HR HU IE"
        " IM IS IT JE LI LT LU LV MC MD ME MK MT NL NO PL PT RO RS RU SE SI SJ SK SM TR UA VA XK"
    ),
    "hong-kong": "HK MO",
    "japan": "JP",
    "korea": "KP KR",
    "singapore": "SG",
    "us": "US UM",
    "africa-south": "AO BI BV BW CD CG KE KM LS MG MU MW MZ NA RE RW SC SZ TF TZ UG YT ZA ZM ZW",
    "asia-east": "TW",
    "asia-south": "AF BD IN IO LK MV NP PK",
    "australia-southeast": ("AQ AS AU CK FJ HM KI NC NF NU NZ PF PG PN SB TK TO TV VU WF WS"),
    "europe-south": (
        "BF BJ CF CI CM CV DZ EG EH GA GH GM GN GQ GW LR LY MA ML MR NE NG SH SL SN ST TD TG TN"
    ),
    "me-central": "AE BH DJ ER ET IL IQ IR JO KW LB OM PS QA SA SD SO SS SY YE",
    "northamerica-northeast": "CA PM",
    "southamerica-east": "AR BO BR CL EC FK GF GS GY PE PY SR UY",
    "us-east": (
        "AG AI AW BB BL BM BQ BS CO CU CW DM DO GD GP HT JM KN KY LC MF MQ MS PR SX TC TT VC VE VG"
        " VI"
    ),
    "us-south": "BZ CR GT HN MX NI PA SV",
}
COUNTRIES = {code: region for region, codes in _COUNTRIES.items() for code in codes.split()}
