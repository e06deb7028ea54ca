"""A hundred thousand rows."""

from __future__ import annotations

import pytest

from tests.redis.conftest import Open
from tests.redis.support import keys_of
from tests.support.processes import PATIENCE, run
from tests.support.servers.redis import LocalRedis

ROWS = 100_000
FILL = """
for number = 1, tonumber(ARGV[1]) do
  local id = string.format('%010d', number)
  local token = string.rep('x', 64) .. number
  redis.call('HSET', '{zoho-tokens}:row:' .. id, 'id', id, 'user_name', 'user' .. number,
    'client_id', 'client', 'client_secret', 'secret', 'refresh_token', token, 'access_token', token,
    'expiry_time', '4102444800123',
    'api_domain', 'https://www.zohoapis.com', 'created_at_ms', 1, 'updated_at_ms', 2, 'etag', 'e')
  redis.call('ZADD', '{zoho-tokens}:ids', 0, id)
  redis.call('SADD', '{zoho-tokens}:user_name:user' .. number, id)
  redis.call('SADD', '{zoho-tokens}:refresh_token:' .. redis.sha1hex(token), id)
  redis.call('SADD', '{zoho-tokens}:access_token:' .. redis.sha1hex(token), id)
end
"""


@pytest.fixture
def large(local: LocalRedis) -> LocalRedis:
    """A server with that many rows in the default store."""
    with local.driver(socket_timeout=PATIENCE) as driver:
        before = driver.info("memory")["used_memory"]
        driver.eval(FILL, 0, ROWS)
        print(f"\nmemory: {(driver.info('memory')['used_memory'] - before) / ROWS:.0f} bytes a row")
    return local


@pytest.mark.long
def test_rows_are_read_page_by_page_and_cleared_in_one_step(large: LocalRedis) -> None:
    """All rows are read, in order, in the memory of a few pages, and cleared by one call."""
    told = run("tests.redis.worker", "scan_and_clear", f"{large.url}?timeout={PATIENCE}")
    grown = told.pop("grown")
    assert told == {"read": ROWS, "in order": True, "cleared": ROWS, "left": 0}
    assert grown < 30, f"{grown} MB"
    with large.driver() as driver:
        calls = driver.info("commandstats")
        print(f"clear: {calls['cmdstat_eval']['usec_per_call'] / 1e6:.2f} s")
        print(f"a page: {calls['cmdstat_evalsha']['usec_per_call'] / 1e3:.1f} ms")
        assert keys_of(driver, "zoho-tokens") == ["{zoho-tokens}:meta", "{zoho-tokens}:retired"]


@pytest.mark.long
def test_one_row_of_many_is_found(large: LocalRedis, open_store: Open) -> None:
    """A row is loaded, found, and listed after another one, beside so many others."""
    store = open_store(large.url)
    row = store.load("0000077777")
    assert row is not None
    assert store.find("user_name", "user77777") == [row]
    assert store.find("access_token", "x" * 64 + "77777") == [row]
    assert list(store.scan(after="0000077776", limit=1)) == [row]
