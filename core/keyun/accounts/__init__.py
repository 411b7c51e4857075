"""Users, organizations, and what a user may do where."""

from __future__ import annotations

from keyun.accounts.models import Grant, Membership, Organization, Token, User
from keyun.accounts.personal import Export
from keyun.accounts.services import (
    actor_for,
    authenticate,
    change_profile,
    create_token,
    grant_role,
    register,
    revoke_role,
    set_password,
    token_actor,
    verify_user,
    want_mail,
)

__all__ = [
    "Export",
    "Grant",
    "Membership",
    "Organization",
    "Token",
    "User",
    "actor_for",
    "authenticate",
    "change_profile",
    "create_token",
    "grant_role",
    "register",
    "revoke_role",
    "set_password",
    "token_actor",
    "verify_user",
    "want_mail",
]
