"""What the storage service's own refusals become; neither Azurite nor the memory store can be made to answer them."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from azure.storage.blob import BlobServiceClient

from shared.errors import BlobChangedError, BlobRefusedError, DarkroomError, StorageError
from shared.storage.azure import AzureContainer


class Refusal(BaseHTTPRequestHandler):
    """Answers everything with the status and the code that the path names, such as `409-BlobAlreadyExists`."""

    def _refuse(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        status, _, code = self.path.partition("?")[0].rpartition("/")[2].partition("-")
        self.send_response(int(status))
        self.send_header("x-ms-error-code", code)
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_GET = do_HEAD = do_PUT = _refuse  # noqa: N815  the base class's names

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  likewise
        """Say nothing."""


@pytest.fixture(scope="module")
def container() -> Iterator[AzureContainer]:
    with HTTPServer(("127.0.0.1", 0), Refusal) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        service = BlobServiceClient(f"http://127.0.0.1:{server.server_port}/account", retry_total=0)
        with service:
            yield AzureContainer(service, "training")
        server.shutdown()
        thread.join()


ENCRYPTED = "409-BlobUsesCustomerSpecifiedEncryption"


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        (ENCRYPTED, BlobRefusedError),
        ("400-InvalidResourceName", BlobRefusedError),
        ("403-AuthorizationFailure", StorageError),
        ("500-InternalError", StorageError),
    ],
)
def test_a_read_that_is_refused_for_the_blobs_own_sake_is_told_from_other_failures(
    container: AzureContainer, path: str, kind: type[DarkroomError]
) -> None:
    for read in (container.read, container.properties):
        with pytest.raises(StorageError, match=f"'training/{path}'") as caught:
            read(path)
        assert type(caught.value) is kind


def test_a_conflict_of_a_write_is_still_a_lost_race(container: AzureContainer) -> None:
    with pytest.raises(BlobChangedError):
        container.write("409-BlobAlreadyExists", b"{}", create_only=True)
