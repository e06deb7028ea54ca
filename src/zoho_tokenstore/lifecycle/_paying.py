"""Owed revocations, paid one after the other until Zoho cannot be asked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from zoho_tokenstore.errors import AccountsError, ConfigurationError, SealingError
from zoho_tokenstore.lifecycle._ending import Ending, Revoked
from zoho_tokenstore.records import TokenRecord


@dataclass
class Paid:
    """What has become of owed revocations."""

    revoked: int = 0
    already_dead: int = 0
    owed: int = 0
    reason: str | None = None


def pay_debts(
    ending: Ending, wanted: Callable[[TokenRecord], bool] = lambda _: True, *, dry_run: bool = False
) -> Paid:
    """Pay the owed revocations of some logins; after the first that Zoho does not answer, only count them."""
    paid, is_reachable = Paid(), not dry_run
    for debt in ending.debts():
        try:
            if not wanted(debt.owner):
                continue
            ending.open(debt)
            if is_reachable:
                done = ending.pay(debt)
                paid.revoked += done is Revoked.REVOKED
                paid.already_dead += done is Revoked.ALREADY_DEAD
                continue
        except SealingError as error:
            paid.reason = paid.reason or str(error)
        except ConfigurationError as error:  # whose accounts server nobody knows; others' is known
            paid.reason = paid.reason or str(error)
        except AccountsError as error:
            is_reachable = False
            paid.reason = paid.reason or str(error)
        paid.owed += 1
    return paid
