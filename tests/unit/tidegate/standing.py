"""What a gateway says of how things stand: an hour that went well, and one that did not."""

from typing import Any

AT = "2026-01-31T12:00:00Z"
SPAN = {
    "calls": 120,
    "failed": 0,
    "gone": 1,
    "per_s": 2.0,
    "failure_rate": 0.0,
    "latency_p50_ms": 410.0,
    "latency_p95_ms": 1800.0,
}


def of_type(service_type: str, remaining: int, limit: int) -> dict[str, Any]:
    return {
        "service_type": service_type,
        "remaining": remaining,
        "used": limit - remaining,
        "reserved": 0,
        "limit": limit,
        "resets_at": "2026-02-01T00:00:02Z",
        "resets_in_s": 43_202.0,
    }


def stands(**changed: Any) -> dict[str, Any]:
    """An hour that went well, with what is `changed` of it."""
    return {
        "at": AT,
        "sequences": {"pool": 4811, "balancer": 4810, "analytics": 4811},
        "lag": 0,
        "silent": [],
        "units": [
            of_type("image", 412, 500),
            of_type("video", 99, 100),
            of_type("avatar", 50, 50),
        ],
        "quota_timezone": "UTC",
        "quota_day": "2026-01-31",
        "calls": {
            "minute": SPAN,
            "hour": {**SPAN, "calls": 1204},
            "by_minute": [{"at": AT, "calls": n % 17, "failed": 0} for n in range(60)],
        },
        "queue": {"waiting": 3, "open_leases": 8},
        "sessions": {
            "total": 50,
            "min_size": 50,
            "max_size": 500,
            "states": [{"state": "active", "count": 50}, {"state": "cooling", "count": 0}],
        },
        "servers": {"total": 2, "states": [{"state": "up", "count": 2}], "unwell": []},
        "in_doubt": {"leases": 0, "units": 0, "since": None},
        "attention": [],
        "errors": [],
        **changed,
    }


BAD_HOUR = {
    "units": [of_type("image", 0, 500), of_type("video", 99, 100)],
    "silent": [{"service": "analytics", "reason": "did not answer within 2 s"}],
    "calls": None,
    "errors": None,
    "servers": {
        "total": 2,
        "states": [{"state": "up", "count": 1}, {"state": "ejected", "count": 1}],
        "unwell": [
            {
                "id": "two",
                "state": "ejected",
                "words": "ejected 2 min ago: 5 failures in a row, back in 28 s",
            }
        ],
    },
    "in_doubt": {"leases": 2, "units": 2, "since": "2026-01-31T08:00:00Z"},
    "attention": [
        {
            "code": "server_down",
            "state": "wrong",
            "message": "server two is down: connection refused",
            "cure": "Start the server, or look at its log; it is probed again every ten seconds.",
        },
        {
            "code": "quota_used_up",
            "state": "note",
            "message": "no unit of image is left today",
            "cure": "Add sessions, or wait for the reset.",
        },
    ],
}
ERROR = {
    "request_id": "01a21f67-fa14-74e8-97ab-181a614d92eb",
    "at": "2026-01-31T11:57:00Z",
    "code": "upstream_error",
    "status": 502,
    "message": "the server answered 500",
    "service_type": "image",
    "key_id": "key_2",
    "key_name": "shop",
}


def a_server(name: str, **changed: Any) -> dict[str, Any]:
    """A server as the balancer sees it."""
    return {
        "server": {"server_id": name, "url": f"http://{name}", "max_sessions": 20},
        "health": "up",
        "state": "up",
        "attempts": 30,
        "connections": 2,
        "avg_response_ms": 400.0,
        "success_rate": 1.0,
        "words": "",
        **changed,
    }


SERVERS = [
    a_server("one"),
    a_server("two", state="ejected", words=BAD_HOUR["servers"]["unwell"][0]["words"]),  # type: ignore[index]
    a_server("three", avg_response_ms=4200.0, connections=7),
]
