"""The HTTP edge: webhooks, the API, metrics. Served by the controller; what it stores, passes carry out."""
