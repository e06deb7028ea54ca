"""Another process of the portal: it knows a user's name and where the database is, nothing more.

Arguments: database, user name, API URL, accounts URL, file URL. Prints what it read, as JSON.
"""

from __future__ import annotations

import json
import sys
import tempfile

from zoho_tokenstore._demo import crm
from zoho_tokenstore.sdk import SQLiteStore


def main() -> None:
    """Read the leads as a user who logged in elsewhere."""
    database, user_name, *urls = sys.argv[1:]
    with tempfile.TemporaryDirectory() as folder, SQLiteStore(database) as store:
        token = crm.token_of_user(user_name)
        crm.log_in(urls, token, store, folder)
        status, leads = crm.read_leads()
        json.dump({"status": status, "leads": leads, "id": token.get_id()}, sys.stdout)


if __name__ == "__main__":
    main()
