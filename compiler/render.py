"""A plan as people see it: text, and drawings in three forms.

This module owns nothing but the list of what may be used. No form holds more than the plan does:
names of secrets, never values.
"""

from rflow.compiler.render_text import waves_text as waves

__all__ = ["waves"]
