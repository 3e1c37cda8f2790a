"""Microsoft's analysis SDK, unmodified, against the function app's `predict` and the engine behind it (design §5)."""

import asyncio
from collections.abc import Iterator

import pytest
from azure.ai.vision.imageanalysis import ImageAnalysisClient
from azure.ai.vision.imageanalysis.aio import ImageAnalysisClient as AsyncImageAnalysisClient
from azure.ai.vision.imageanalysis.models import ImageAnalysisResult, VisualFeatures
from azure.core.credentials import AzureKeyCredential
from azure.core.exceptions import ClientAuthenticationError, HttpResponseError

from tests.engine_support import PictureStore
from tests.home import Home, home
from tests.pictures import draw

TAGS = [VisualFeatures.TAGS]
PICTURE = draw(1, size=(96, 80))


@pytest.fixture(scope="module")
def store() -> Iterator[PictureStore]:
    with PictureStore() as pictures:
        pictures.put("one.jpg", PICTURE)
        yield pictures


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    with home(tmp_path_factory.mktemp("home"), ENGINE_ALLOWED_HOSTS="127.0.0.1") as running:
        yield running


@pytest.fixture(scope="module")
def champion(product: Home) -> str:
    """Trains dataset `parts` once; its champion."""
    product.upload((f"parts/images/nut/{n}.jpg", draw(n, size=(96, 80))) for n in range(8))
    product.upload((f"parts/images/bolt/{n}.jpg", draw(100 + n, size=(96, 80))) for n in range(8))
    return product.wait_for_champion("parts")


@pytest.fixture(params=["predict", "engine"])
def place(request: pytest.FixtureRequest, product: Home) -> tuple[str, AzureKeyCredential]:
    services = product.services
    if request.param == "predict":
        return services.endpoint, AzureKeyCredential(services.key)
    return services.engine, AzureKeyCredential(services.engine_key)


def test_the_analysis_sdk_asks_with_bytes_and_with_a_url(
    place: tuple[str, AzureKeyCredential], champion: str, store: PictureStore
) -> None:
    params, url = {"model-name": champion}, store.url("one.jpg")
    with ImageAnalysisClient(*place) as client:
        named = client.analyze(PICTURE, TAGS, params=params)
        answers = [
            client.analyze_from_url(url, TAGS, params=params),
            client.analyze(PICTURE, TAGS, model_version=champion),
            client.analyze(PICTURE, TAGS, params=params, model_version="latest"),
            client.analyze_from_url(url, [VisualFeatures.CAPTION], model_version=champion, language="en"),
        ]
    assert named.metadata == {"width": 96, "height": 80}
    assert {tag["name"] for tag in named["customModelResult"]["tagsResult"]["values"]} == {"nut", "bolt"}
    assert answers == [named] * len(answers)


def test_the_asynchronous_analysis_sdk_asks_with_bytes_and_with_a_url(
    place: tuple[str, AzureKeyCredential], champion: str, store: PictureStore
) -> None:
    params, url = {"model-name": champion}, store.url("one.jpg")

    async def ask() -> list[ImageAnalysisResult]:
        async with AsyncImageAnalysisClient(*place) as client:
            return [
                await client.analyze(PICTURE, TAGS, params=params),
                await client.analyze_from_url(url, TAGS, params=params),
                await client.analyze(PICTURE, TAGS, model_version=champion),
            ]

    first, *others = asyncio.run(ask())
    assert first["customModelResult"]["tagsResult"]["values"]
    assert others == [first] * len(others)


def test_latest_means_the_champion_of_the_dataset_that_is_named_or_the_only_one(product: Home, champion: str) -> None:
    with ImageAnalysisClient(product.services.endpoint, AzureKeyCredential(product.services.key)) as client:
        pinned = client.analyze(PICTURE, TAGS, model_version=champion)
        for params in ({"model-name": "parts"}, {}):
            assert client.analyze(PICTURE, TAGS, params=params, model_version="latest") == pinned
            assert client.analyze(PICTURE, TAGS, params=params) == pinned


def test_the_analysis_sdk_understands_what_is_refused(place: tuple[str, AzureKeyCredential], champion: str) -> None:
    with ImageAnalysisClient(*place) as client:
        with pytest.raises(HttpResponseError) as unknown:
            client.analyze(PICTURE, TAGS, model_version="parts.0123456789ab.9")
        assert (unknown.value.status_code, unknown.value.error.code) == (404, "404")
        with pytest.raises(HttpResponseError) as text:
            client.analyze(b"not a picture", TAGS, params={"model-name": champion})
        assert (text.value.status_code, text.value.error.code) == (400, "InvalidRequest")
        with pytest.raises(HttpResponseError) as away:
            client.analyze_from_url("http://127.0.0.1:9/one.jpg", TAGS, params={"model-name": champion})
        assert (away.value.status_code, away.value.error.code) == (400, "InvalidRequest")
    with ImageAnalysisClient(place[0], AzureKeyCredential("wrong")) as client, pytest.raises(ClientAuthenticationError):
        client.analyze(PICTURE, TAGS)
