"""A small portal on FastAPI and SQLite, for uvicorn: the environment says where its Zoho and its store are.

FastAPI reads annotations here, so they are no strings.
"""

import json
import os
from pathlib import Path
from typing import Annotated, Any, Final

from fastapi import Depends, FastAPI
from zohocrmsdk.src.com.zoho.crm.api.record import BodyWrapper, Record, RecordOperations

from tests.sdk.app import environment
from zoho_tokenstore import Client, TokenRecord, open_store
from zoho_tokenstore.login import CRM_WRITE, LoginFlow
from zoho_tokenstore.login.fastapi import ZohoLogin

VARIABLE: Final = "PORTAL"
"""Where in the environment the portal's settings are, as JSON."""


def portal(url: str, zoho: list[str], client: list[str], redirect_url: str) -> FastAPI:
    store = open_store(url)
    resources = Path(url.removeprefix("sqlite:///")).parent / str(os.getpid())  # the SDK rewrites files there
    resources.mkdir()
    store.initialize_sdk(environment(zoho), resource_path=str(resources))
    login = ZohoLogin(LoginFlow(store.tokens, Client(*client), redirect_url, scopes=CRM_WRITE))
    app = FastAPI(middleware=[login.session_middleware("0123456789abcdef")])
    app.include_router(login.router)

    @app.get("/")
    def home() -> int:
        return os.getpid()

    @app.post("/leads")
    async def write(name: str, user: Annotated[TokenRecord, Depends(login.required)]) -> dict[str, Any]:
        creator = await login.run_as(user, create_lead, name)
        return {"user": user.user_name, "creator": creator, "process": os.getpid()}

    return app


def create_lead(name: str) -> str:
    """Create a lead; return who has created it, as Zoho says."""
    lead, body = Record(), BodyWrapper()
    lead.add_key_value("Last_Name", name)
    body.set_data([lead])
    answer = RecordOperations("Leads").create_records(body).get_object()
    return str(answer.get_data()[0].get_details()["Created_By"].get_name())


def serve() -> FastAPI:
    """The factory that uvicorn calls in each of its processes."""
    return portal(**json.loads(os.environ[VARIABLE]))
