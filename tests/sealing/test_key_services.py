"""Keys that a function fetches: how often it is asked, and what comes of its failures."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from tests.sealing.services import Service, Time, backend, service, time
from tests.sealing.support import ALICE, BOB, CLIENT, FOREIGN, NEW, OLD, queries, repository, rows
from tests.unit.renewal.support import Zoho, renewer
from zoho_tokenstore import (
    BackendTimeoutError,
    ConfigurationError,
    Keyset,
    SealingError,
    TokenRecord,
    TokenRepository,
)
from zoho_tokenstore.backends.list import ListBackend
from zoho_tokenstore.sealing import SealingKey

__all__ = ["backend", "service", "time"]


class TestHowOften:
    def test_it_is_asked_once_for_a_minute(self, service: Service, time: Time, backend: ListBackend) -> None:
        """By a store that reads and saves all the while; then by the next save."""
        tokens = TokenRepository(backend, keys=service)
        for _ in range(59):
            saved = tokens.save(ALICE)
            assert tokens.get(saved.id or "") == saved
            assert tokens.find(queries(ALICE)["access_token"]) == saved
            time.pass_(1)
        assert service.asked == 1
        time.pass_(1)
        for _ in range(10):
            tokens.get(saved.id or "")
        assert service.asked == 1
        tokens.save(ALICE)
        tokens.save(ALICE)
        assert service.asked == 2

    @pytest.mark.parametrize(
        ("max_age", "passed", "asked"),
        [
            (timedelta(0), 0.0, 2),
            (timedelta(seconds=5), 4.9, 1),
            (timedelta(seconds=5), 5.0, 2),
            (timedelta(days=1), 86_399.0, 1),
            (timedelta(days=1), 86_400.0, 2),
        ],
    )
    def test_the_age_can_be_set(
        self, service: Service, time: Time, max_age: timedelta, passed: float, asked: int
    ) -> None:
        """Up to it nobody is asked before a save, from it on the next save asks."""
        ring = Keyset.from_callable(service, max_age=max_age)
        time.pass_(passed)
        ring.reload()
        assert service.asked == asked

    @pytest.mark.parametrize("max_age", [60, 60.0, None, timedelta(seconds=-1)])
    def test_an_age_that_is_none_is_refused(self, service: Service, max_age: Any) -> None:
        """What is no duration, or a negative one."""
        with pytest.raises(ConfigurationError, match="max_age"):
            Keyset.from_callable(service, max_age=max_age)

    def test_an_unknown_key_makes_it_be_asked_at_once(
        self, service: Service, time: Time, backend: ListBackend
    ) -> None:
        """Another process has begun to use a newer key: its row is read, whatever the keys' age."""
        ring = Keyset.from_callable(service, max_age=timedelta(days=1))
        saved = repository(backend, NEW, OLD).save(ALICE)
        service.keys = [NEW, OLD]
        time.pass_(1)
        found = TokenRepository(backend, keys=ring).get(saved.id or "")
        assert found is not None
        assert found.refresh_token == ALICE.refresh_token
        assert service.asked == 2

    def test_a_look_up_that_finds_nothing_makes_it_be_asked_at_once(
        self, service: Service, time: Time, backend: ListBackend
    ) -> None:
        """A row is found by a token under its own key alone: before it is absent, the keys are renewed."""
        tokens = TokenRepository(backend, keys=service)
        tokens.save(BOB.changed(id="1"))
        repository(backend, NEW, OLD).save(ALICE.changed(id="2"))
        service.keys = [NEW, OLD]
        time.pass_(1)
        found = tokens.find(queries(ALICE)["refresh_token"])
        assert found is not None
        assert found.id == "2"

    def test_it_is_asked_once_a_second_at_most(
        self, service: Service, time: Time, backend: ListBackend
    ) -> None:
        """By rows under a key that nobody has, and by tokens that are nobody's."""
        tokens = TokenRepository(backend, keys=service)
        row_id = repository(backend, FOREIGN).save(ALICE).id or ""
        for second in range(3):
            for _ in range(5):
                with pytest.raises(SealingError):
                    tokens.get(row_id)
                with pytest.raises(SealingError):
                    tokens.find(queries(BOB)["access_token"])
            assert service.asked == 1 + second
            time.pass_(1)

    def test_within_that_second_a_new_key_is_not_seen(
        self, service: Service, time: Time, backend: ListBackend
    ) -> None:
        """A limit: who has just asked does not ask again, and refuses the row for the rest of a second."""
        tokens = TokenRepository(backend, keys=service)
        saved = repository(backend, NEW, OLD).save(ALICE)
        service.keys = [NEW, OLD]
        time.pass_(0.9)
        with pytest.raises(SealingError):
            tokens.get(saved.id or "")
        time.pass_(0.1)
        assert tokens.get(saved.id or "") is not None


class TestFailures:
    def test_a_store_does_not_open_without_its_keys(self, service: Service, backend: ListBackend) -> None:
        """The error tells the kind of failure and what to look at, and has the service's own as its cause."""
        service.failure = ConnectionError("token=hunter2 refused")
        with pytest.raises(SealingError, match="a ConnectionError") as refused:
            TokenRepository(backend, keys=service)
        assert refused.value.__cause__ is service.failure
        assert "hunter2" not in str(refused.value)

    def test_an_outage_stops_nobody_who_has_the_keys(
        self, service: Service, time: Time, backend: ListBackend, caplog: pytest.LogCaptureFixture
    ) -> None:
        """Reads, saves and new logins go on; the service is asked once a minute, the log tells it once."""
        tokens = TokenRepository(backend, keys=service)
        service.failure = TimeoutError("no answer")
        for _ in range(3):
            time.pass_(60)
            for user in (ALICE, BOB):
                saved = tokens.save(user)
                assert tokens.get(saved.id or "") == saved
                assert tokens.find(TokenRecord(access_token=user.access_token)) == saved
        assert service.asked == 4
        assert [record.levelno for record in caplog.records] == [logging.WARNING]
        assert tokens.find(TokenRecord(access_token="1000.none")) is None
        service.failure = None
        service.keys = [NEW, OLD]
        time.pass_(60)
        tokens.save(ALICE)
        service.failure = TimeoutError("no answer")
        time.pass_(60)
        tokens.save(ALICE)
        assert len(caplog.records) == 2

    def test_a_missing_key_in_an_outage_is_a_refusal(
        self, service: Service, time: Time, backend: ListBackend
    ) -> None:
        """It says that the keys cannot be had, and a save is kept until they can."""
        zoho = Zoho()
        process = renewer(TokenRepository(backend, keys=service), zoho)
        saved = repository(backend, NEW, OLD).save(ALICE.changed(expires_at_ms=1))
        service.failure = TimeoutError("no answer")
        time.pass_(1)
        before = rows(backend)
        with pytest.raises(SealingError, match=r"cannot be read again.* a TimeoutError"):
            process.get(saved.id or "")
        time.pass_(1)
        with pytest.raises(SealingError):
            process.save(ALICE.changed(access_token="1000.renewed"))
        with pytest.raises(SealingError):  # nor may she log in beside her row
            process.find(TokenRecord(refresh_token="1000.new", user_name=ALICE.user_name, **CLIENT))
        assert rows(backend) == before
        service.failure, service.keys = None, [NEW, OLD]
        time.pass_(1)
        process.close()
        assert zoho.sent == 0
        found = repository(backend, NEW).get(saved.id or "")
        assert found is not None
        assert found.access_token == "1000.renewed"

    def test_a_failing_service_is_not_asked_again_and_again(
        self, service: Service, time: Time, backend: ListBackend
    ) -> None:
        """Once a second, also while it fails."""
        tokens = TokenRepository(backend, keys=service)
        row_id = repository(backend, FOREIGN).save(ALICE).id or ""
        service.failure = TimeoutError("no answer")
        for second in range(3):
            time.pass_(1)
            for _ in range(5):
                with pytest.raises(SealingError):
                    tokens.get(row_id)
            assert service.asked == 2 + second

    @pytest.mark.parametrize("answer", [None, "", [], b"short", 5, ["no key"], "clear", {}, object()])
    def test_answers_that_hold_no_keys(
        self, service: Service, time: Time, backend: ListBackend, answer: Any
    ) -> None:
        """Refused at first; later, the keys of before go on being used. Nothing is stored in clear."""
        service.keys = answer
        with pytest.raises(ConfigurationError):
            Keyset.from_callable(service)
        service.keys = [OLD]
        tokens = TokenRepository(backend, keys=service)
        service.keys = answer
        time.pass_(60)
        row_id = tokens.save(ALICE).id or ""
        assert repository(backend, OLD).get(row_id) is not None
        other = repository(backend, FOREIGN)
        with pytest.raises(SealingError):
            other.get(row_id)

    @pytest.mark.parametrize(
        "answer", [OLD, OLD._material, OLD.to_text(), [OLD.to_text()], f"{OLD.to_text()}\n"]
    )
    def test_answers_of_all_forms(self, service: Service, answer: Any) -> None:
        """A key, its bytes, its text, or several, or one text of several."""
        service.keys = answer
        assert Keyset.from_callable(service).ids == Keyset.of(service).ids == (OLD.id,)

    def test_a_generator_may_fail_on_its_way(
        self, service: Service, time: Time, backend: ListBackend
    ) -> None:
        """What is fetched key by key fails as a whole; the failure is told like any other."""

        def keys() -> Iterator[SealingKey]:
            yield OLD
            if failing:
                raise OSError("the second key cannot be fetched")

        failing = False
        tokens = TokenRepository(backend, keys=keys)
        failing = True
        time.pass_(60)
        assert tokens.save(ALICE).id
        with pytest.raises(SealingError, match="a OSError"):
            Keyset.from_callable(keys)

    def test_an_error_of_ours_is_passed_on(self, service: Service) -> None:
        """A function that reads its keys by means of this package says best what is wrong."""
        service.failure = BackendTimeoutError("The database was busy.")
        with pytest.raises(BackendTimeoutError):
            Keyset.from_callable(service)

    @pytest.mark.parametrize("stop", [KeyboardInterrupt, SystemExit])
    def test_an_interrupt_is_not_swallowed(
        self, service: Service, time: Time, stop: type[BaseException]
    ) -> None:
        """And the ring can be used afterwards."""
        ring = Keyset.from_callable(service)
        time.pass_(60)
        service.failure = stop()  # type: ignore[assignment]
        with pytest.raises(stop):
            ring.reload()
        service.failure, service.keys = None, [NEW, OLD]
        time.pass_(60)
        assert ring.reload()
