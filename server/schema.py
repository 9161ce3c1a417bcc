"""The tables of the server's own file, in one place.

The journal stays the only truth about runs; what stands here is what the server alone needs:
deliveries, tokens, sessions, subscriptions, audit. Times are seconds since 1970; tokens stand
here as digests, never in clear.
"""

VERSION = 1

TABLES = """
"""
