"""The Azure Functions app (Python v2 model): registers the functions; nothing else happens on import."""

import azure.functions as func

from functions import dashboard, dataset, prediction, training

app = func.FunctionApp()
for module in (dataset, training, prediction, dashboard):
    app.register_functions(module.blueprint)
