"""All rows of one store copied into another one, of any kind, while both are in use.

docs/how-to/move-between-stores.md tells what that promises, and what becomes of conflicts.
"""

from zoho_tokenstore.copying.passes import copy
from zoho_tokenstore.copying.report import Copying, OnConflict, Outcome, Tally
from zoho_tokenstore.copying.sides import Side

__all__ = ["Copying", "OnConflict", "Outcome", "Side", "Tally", "copy"]
