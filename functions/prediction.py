"""The prediction endpoint, at the contract's own path."""

import azure.functions as func

from functions._http import answers_errors
from functions._services import hop

blueprint = func.Blueprint()


@blueprint.function_name("predict")
@blueprint.route(
    route="computervision/imageanalysis:analyze", methods=["POST"], auth_level=func.AuthLevel.ANONYMOUS
)  # its key is Ocp-Apim-Subscription-Key, which `Prediction` checks
@answers_errors
def predict(req: func.HttpRequest, context: func.Context) -> func.HttpResponse:
    """Proxy Analyze Image to the engine, with the model that the registry names."""
    with hop("predict", context) as services:
        answer = services.prediction.analyze(
            headers={name.lower(): value for name, value in req.headers.items()},
            query=dict(req.params),
            body=req.get_body(),
        )
    headers = {"x-model-name": answer.model, "x-dataset-snapshot": answer.snapshot}
    return func.HttpResponse(answer.body, headers=headers, mimetype=answer.content_type)
