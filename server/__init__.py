"""The server: triggers, webhooks, API and pages, a window on the runner."""
