"""The kinds, filters, policies and sources that come with rflow; `rflow.plugins.builtin` registers
them.

The modules here import only what authors of other plugins can: `rflow.plugins`. What is heavy is
imported where it is used, so that looking at the kinds stays quick.
"""
