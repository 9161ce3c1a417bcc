"""The server: triggers, webhooks, the API and the pages, as a window on the runner. Not built yet."""
