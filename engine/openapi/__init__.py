"""The engine's wire contract as an OpenAPI 3.1 document, served at `/openapi.json`.

The contract is the retired service's; what we added to it is marked `x-darkroom-extension`. Limits and words are taken
from the rules and records that hold, so that the document cannot promise others.
"""

from engine.openapi.document import document

__all__ = ["document"]
