"""The description of the API says what the tables say by which it works."""

from __future__ import annotations

import re
from typing import Any

import pytest

from jobd.domain.limits import LIMITS
from jobd.domain.options import ROWS, Level
from jobd.http.aliases import ALIASES, CANONICAL
from jobd.http.openapi import PATH, describe, shapes_of
from jobd.http.routes import ROUTES, Body
from tests.http.api import Api
from tests.http.hand import Hand

ALL = ROUTES + ALIASES


@pytest.fixture
def description() -> dict[str, Any]:
    return describe(ROUTES, ALIASES, CANONICAL, version="1")


@pytest.mark.requirement("4.7")
async def test_it_is_served_and_the_front_page_leads_there(api: Api, description: dict[str, Any]) -> None:
    served = (await api.get((await api.get("/")).body["links"]["description"])).body

    assert served["openapi"] == "3.1.0"
    assert served["paths"] == description["paths"]


@pytest.mark.requirement("4.7")
def test_every_route_is_described_with_what_it_takes_and_gives(description: dict[str, Any]) -> None:
    for route in ALL:
        operation = description["paths"][route.path][route.method.lower()]
        assert operation["summary"].endswith(".")
        canonical = CANONICAL.get((route.method, route.path), "").partition("?")[0]
        assert shapes_of(route, canonical), f"add {route.method} {route.path} to the table in http/openapi.py"
        assert set(operation["responses"]) == {*map(str, route.gives), "default"}
        assert ("requestBody" in operation) == (route.body is not Body.NONE)
        in_path = {each["name"] for each in operation.get("parameters", []) if each["in"] == "path"}
        assert in_path == set(re.findall(r"{(\w+)}", route.path))
    assert sum(map(len, description["paths"].values())) == len(ALL)


def test_no_two_operations_have_one_name_and_every_reference_leads_somewhere(description: dict[str, Any]) -> None:
    names = [operation["operationId"] for path in description["paths"].values() for operation in path.values()]
    assert len(set(names)) == len(names)
    for name in re.findall(r"#/components/schemas/(\w+)", str(description)):
        assert name in description["components"]["schemas"]


def test_every_option_and_every_limit_can_be_said(description: dict[str, Any]) -> None:
    schemas = description["components"]["schemas"]
    options = {row.wire for row in ROWS.values() if Level.JOB in row.levels}

    assert {"type", "data", "id", *options} == set(schemas["NewJob"]["properties"])
    assert {limit.wire for limit in LIMITS.values()} < set(schemas["SetLimits"]["properties"])
    assert all(ROWS[row].kind.schema for row in ROWS)


async def test_a_job_reads_back_with_the_fields_that_are_described(
    api: Api, hand: Hand, description: dict[str, Any]
) -> None:
    await api.enqueue(id="whole", group="a", unique="k")
    await hand.fail(await hand.take(), "no")
    job = (await api.get("/api/v1/jobs/whole")).body

    assert set(description["components"]["schemas"]["Job"]["required"]) <= set(job)


def test_it_stands_in_the_table_of_routes_itself() -> None:
    assert any(route.path == PATH for route in ROUTES)
