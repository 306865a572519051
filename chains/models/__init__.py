"""The tables, one noun per file."""

from chains.models.chain import Agent, Chain, ChainVersion
from chains.models.provider import LanguageModel, Provider
from chains.models.run import AgentStep, Run, StepAttempt
from chains.models.session import ChatSession
from chains.models.user import ApiToken, User

__all__ = [
    "Agent",
    "AgentStep",
    "ApiToken",
    "Chain",
    "ChainVersion",
    "ChatSession",
    "LanguageModel",
    "Provider",
    "Run",
    "StepAttempt",
    "User",
]
