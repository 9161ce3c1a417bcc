"""The dashboard: pages made here, a window on the runner like the API.

Every page works without scripts; what scripts add is that it stays fresh. What people do goes
through `actions`, as the API does it.
"""

from rflow.server.pages.install import install

__all__ = ["install"]
