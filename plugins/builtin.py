"""What comes with rflow, registered as any plugin's is.

It stands beside the kinds, not above them: one of them can be imported without the others.
"""

from __future__ import annotations

from collections.abc import Sequence

from rflow.plugins import Filter, Node, Policy, SecretSource, Trigger
from rflow.plugins.kinds import (
    filters_lists,
    filters_logic,
    filters_regex,
    filters_text,
    policies,
    sources,
)
from rflow.plugins.kinds.archive import Archive
from rflow.plugins.kinds.database import Backup, Restore
from rflow.plugins.kinds.deploy_command import Command
from rflow.plugins.kinds.deploy_directory import Directory
from rflow.plugins.kinds.file import Write
from rflow.plugins.kinds.flow import Run
from rflow.plugins.kinds.git import Checkout
from rflow.plugins.kinds.http import Check
from rflow.plugins.kinds.message import Webhook
from rflow.plugins.kinds.message_chats import Discord, Slack, Teams
from rflow.plugins.kinds.message_email import Email
from rflow.plugins.kinds.message_pull_request import PullRequest
from rflow.plugins.kinds.promote import Promote, PromoteValue
from rflow.plugins.kinds.sh import Sh
from rflow.plugins.kinds.triggers import TRIGGERS
from rflow.plugins.kinds.wait import Until

RFLOW_CONTRACT = 1


def rflow_node_types() -> Sequence[type[Node]]:
    return (
        Sh,
        Checkout,
        Archive,
        Directory,
        Command,
        Check,
        Until,
        Write,
        Webhook,
        Slack,
        Teams,
        Discord,
        Email,
        PullRequest,
        Run,
        Backup,
        Restore,
        Promote,
        PromoteValue,
    )


def rflow_trigger_types() -> Sequence[type[Trigger]]:
    return TRIGGERS


def rflow_filters() -> Sequence[Filter]:
    return (
        *filters_text.FILTERS,
        *filters_regex.FILTERS,
        *filters_logic.FILTERS,
        *filters_lists.FILTERS,
    )


def rflow_retry_policies() -> Sequence[type[Policy]]:
    return policies.POLICIES


def rflow_secret_sources() -> Sequence[type[SecretSource]]:
    return sources.SOURCES
