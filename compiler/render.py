"""A plan as people see it: text, and drawings in three forms.

This module owns nothing but the list of what may be used. No form holds more than the plan does:
names of secrets, never values.
"""

from rflow.compiler.render_dot import dot
from rflow.compiler.render_mermaid import mermaid
from rflow.compiler.render_svg import svg
from rflow.compiler.render_text import waves_text as waves

__all__ = ["dot", "mermaid", "svg", "waves"]
