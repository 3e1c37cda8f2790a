"""The local home of the function app: Azurite, the engine and an Azure Functions host as ordinary processes."""
