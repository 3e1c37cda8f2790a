"""Route templates of HTTP functions, matched as ASP.NET Core matches them."""

import pytest

from devhost.errors import AppError
from devhost.routes import parse_route


@pytest.mark.parametrize(
    ("template", "path", "values"),
    [
        ("status", "/status", {}),
        ("status", "/STATUS/", {}),
        ("status", "/status/more", None),
        ("computervision/imageanalysis:analyze", "/computervision/imageanalysis:analyze", {}),
        ("computervision/imageanalysis:analyze", "/computervision/imageanalysis%3Aanalyze", None),
        ("models/{name}:cancel", "/models/m1:cancel", {"name": "m1"}),
        ("echo/{name}/{id:int?}", "/echo/a%20b", {"name": "a b"}),
        ("echo/{name}/{id:int?}", "/echo/a/7", {"name": "a", "id": "7"}),
        ("echo/{name}/{id:int?}", "/echo/a/b", None),
        ("files/{*rest}", "/files/a/b%20c/d", {"rest": "a/b c/d"}),
        ("files/{**rest}", "/files", {}),
        ("page/{size=10}", "/page", {"size": "10"}),
        ("page/{size:range(1,20)=10}", "/page/21", None),
        ("x/{id:guid}", "/x/not-one", None),
        ("x/{id:guid}", "/x/7f1d1a52-9c4e-4c6e-8b62-3c2f5f0a9b11", {"id": "7f1d1a52-9c4e-4c6e-8b62-3c2f5f0a9b11"}),
        ("x/{word:alpha:length(2,3)}", "/x/abc", {"word": "abc"}),
        ("x/{word:alpha:length(2,3)}", "/x/a1", None),
        ("x/{day:datetime}", "/x/2026-11-23", {"day": "2026-11-23"}),
        ("x/{n:int}", "/x/" + "9" * 5000, None),
        ("x/{name}", "/x/a%2Fb", {"name": "a/b"}),
        ("", "/", {}),
    ],
)
def test_a_template_gives_the_values_of_a_path_it_matches(template: str, path: str, values: dict[str, str] | None):
    assert parse_route(template).match(path) == values


def test_the_prefix_comes_before_the_route() -> None:
    route = parse_route("status", "api")
    assert route.match("/api/status") == {}
    assert route.match("/status") is None


def test_more_literal_templates_come_first() -> None:
    templates = ["{*rest}", "a/{b}", "a/{b:int}", "a/b", "a/{b}:go"]
    ranked = sorted(templates, key=lambda template: parse_route(template).rank)
    assert ranked == ["a/b", "a/{b}:go", "a/{b:int}", "a/{b}", "{*rest}"]


@pytest.mark.parametrize("template", ["a/{b", "a/b}", "a/{1b}", "a/{b:nonsense}", "a/{b:length(x)}", "{}"])
def test_a_malformed_template_is_refused_by_name(template: str):
    with pytest.raises(AppError, match="route"):
        parse_route(template)
