"""The tables, one noun per file."""

from chains.models.attachment import Attachment, RunAttachment
from chains.models.chain import Agent, Chain, ChainTag, ChainVersion
from chains.models.draft import DraftEdit, SampleInput
from chains.models.provider import LanguageModel, Provider
from chains.models.rows import is_row_id
from chains.models.run import AgentStep, Run, StepAttempt
from chains.models.session import ChatSession
from chains.models.share import RunShare
from chains.models.user import ApiToken, User

__all__ = [
    "Agent",
    "AgentStep",
    "ApiToken",
    "Attachment",
    "Chain",
    "ChainTag",
    "ChainVersion",
    "ChatSession",
    "DraftEdit",
    "LanguageModel",
    "Provider",
    "Run",
    "RunAttachment",
    "RunShare",
    "SampleInput",
    "StepAttempt",
    "User",
    "is_row_id",
]
