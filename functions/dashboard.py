"""What people and pages ask: where does every dataset stand?"""

from datetime import UTC, datetime

import azure.functions as func

from functions._http import answers_errors, json_response
from functions._services import hop

blueprint = func.Blueprint()


@blueprint.function_name("status")
@blueprint.route(route="api/status", methods=["GET"], auth_level=func.AuthLevel.FUNCTION)
@answers_errors
def status(req: func.HttpRequest, context: func.Context) -> func.HttpResponse:
    """Report every dataset: pictures, labels, problems, decision, training, champion, versions."""
    with hop("status", context) as services:
        return json_response(services.status.report(now=datetime.now(UTC)))
