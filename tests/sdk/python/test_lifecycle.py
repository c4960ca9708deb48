"""The life of keys and secrets after their deletion: deleted, recovered, purged, and all of it taking its time."""

import functools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from operator import attrgetter

import pytest
from azure.core.credentials import TokenCredential
from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceNotFoundError
from azure.core.polling import LROPoller
from azure.keyvault.keys import KeyClient
from azure.keyvault.keys.crypto import CryptographyClient, SignatureAlgorithm
from azure.keyvault.secrets import SecretClient
from cryptography.hazmat.primitives.asymmetric import ec

from importable import ec_jwk
from server import GUARDED_VAULT, LIFECYCLE_VAULT, PLAIN_VAULT, SLOW_VAULT

DIGEST = bytes(range(32))
DELETED_BUT_RECOVERABLE = (409, "Conflict", "ObjectIsDeletedButRecoverable")
BEING_DELETED = (409, "Conflict", "ObjectIsBeingDeleted")
BEING_RECOVERED = (409, "Conflict", "ObjectIsBeingRecovered")


class Secrets:
    """The secrets of a vault."""

    kind = SecretClient
    collection, not_found = "secrets", "SecretNotFound"

    def __init__(self, client: SecretClient, operator: TokenCredential):
        self.create = lambda name: client.set_secret(name, f"value of {name}")
        self.get = lambda name: client.get_secret(name)
        self.list = lambda: client.list_properties_of_secrets()
        self.versions = lambda name: client.list_properties_of_secret_versions(name)
        self.begin_delete = lambda name: client.begin_delete_secret(name)
        self.get_deleted = lambda name: client.get_deleted_secret(name)
        self.list_deleted = lambda: client.list_deleted_secrets()
        self.begin_recover = lambda name: client.begin_recover_deleted_secret(name)
        self.purge = lambda name: client.purge_deleted_secret(name)

    def proof(self, secret) -> Callable[[], bool]:
        """A question for later: does it work as it did?"""
        return lambda: self.get(secret.name).value == secret.value


class Keys:
    """The keys of a vault."""

    kind = KeyClient
    collection, not_found = "keys", "KeyNotFound"

    def __init__(self, client: KeyClient, operator: TokenCredential):
        self.operator = operator
        self.create = lambda name: client.create_ec_key(name)
        self.get = lambda name: client.get_key(name)
        self.list = lambda: client.list_properties_of_keys()
        self.versions = lambda name: client.list_properties_of_key_versions(name)
        self.begin_delete = lambda name: client.begin_delete_key(name)
        self.get_deleted = lambda name: client.get_deleted_key(name)
        self.list_deleted = lambda: client.list_deleted_keys()
        self.begin_recover = lambda name: client.begin_recover_deleted_key(name)
        self.purge = lambda name: client.purge_deleted_key(name)

    def proof(self, key) -> Callable[[], bool]:
        """A question for later: does it sign, and is what it signs now still its signature? The server must answer."""
        algorithm = SignatureAlgorithm.es256
        with CryptographyClient(key.id, self.operator) as client:
            before = client.sign(algorithm, DIGEST).signature

        def works() -> bool:
            with CryptographyClient(key.id, self.operator) as client:
                signatures = [before, client.sign(algorithm, DIGEST).signature]
                return all(client.verify(algorithm, DIGEST, signature).is_valid for signature in signatures)

        return works


KINDS = [Secrets, Keys]


@pytest.fixture(scope="module")
def objects_of(clients, operator):
    """The objects of a kind in a vault."""
    return functools.cache(lambda kind, vault: kind(clients(kind.kind, vault), operator))


@pytest.fixture(params=KINDS, ids=attrgetter("collection"))
def kind(request) -> type:
    return request.param


@pytest.fixture
def objects(objects_of, kind):
    return objects_of(kind, LIFECYCLE_VAULT)


@pytest.fixture
def guarded(objects_of, kind):
    return objects_of(kind, GUARDED_VAULT)


@pytest.fixture
def plain(objects_of, kind):
    return objects_of(kind, PLAIN_VAULT)


@pytest.fixture
def sent(wire):
    """What was sent since a mark, and answered how: take the mark with `sent.mark()`."""

    def sent(mark: int) -> list[tuple[str, str, int]]:
        return [(exchange.method, exchange.path, exchange.status) for exchange in wire.since(mark)]

    sent.mark = lambda: len(wire.exchanges)
    return sent


def now() -> datetime:
    return datetime.now(timezone.utc).replace(microsecond=0)


def names(items) -> list[str]:
    return [item.name for item in items]


def delete(objects, name: str) -> None:
    objects.create(name)
    objects.begin_delete(name).wait()


def refusal(call, error=HttpResponseError) -> tuple[int, str, str | None]:
    with pytest.raises(error) as refused:
        call()
    told = refused.value.error
    return refused.value.status_code, told.code, (told.innererror or {}).get("code")


def test_a_deletion_is_seen_at_the_first_look(objects, sent):
    objects.create("seen")
    mark = sent.mark()
    poller = objects.begin_delete("seen")
    assert poller.status() == "polling"
    poller.wait()
    assert poller.status() == "finished"
    assert sent(mark) == [
        ("DELETE", f"/{objects.collection}/seen", 200),
        ("GET", f"/deleted{objects.collection}/seen", 200),
    ]


def test_a_recovery_is_seen_at_the_first_look(objects, sent):
    delete(objects, "seen-again")
    mark = sent.mark()
    poller = objects.begin_recover("seen-again")
    poller.wait()
    assert poller.status() == "finished"
    assert [(method, status) for method, _, status in sent(mark)] == [("POST", 200), ("GET", 200)]
    assert poller.result().id == objects.get("seen-again").id


def test_a_deleted_object_tells_when_it_was_deleted_and_when_it_goes(objects, server):
    made, before = objects.create("dated"), now()
    answered = objects.begin_delete("dated").result()
    listed = next(item for item in objects.list_deleted() if item.name == "dated")
    for deleted in (answered, objects.get_deleted("dated"), listed):
        assert deleted.recovery_id == f"{server.vault_url(LIFECYCLE_VAULT)}/deleted{objects.collection}/dated"
        assert before <= deleted.deleted_date <= now()
        assert deleted.deleted_date == answered.deleted_date
        assert deleted.scheduled_purge_date == deleted.deleted_date + timedelta(days=7)
        assert deleted.properties.recovery_level == "CustomizedRecoverable+Purgeable"
        assert deleted.properties.recoverable_days == 7
        assert deleted.properties.created_on == made.properties.created_on
    assert answered.id == objects.get_deleted("dated").id == made.id
    assert listed.id == made.id.removesuffix(f"/{made.properties.version}")


def test_a_deleted_secret_shows_everything_but_its_value(clients, wire):
    secrets = clients(SecretClient, LIFECYCLE_VAULT)
    given = {"content_type": "text/plain", "tags": {"owner": "factory"}, "enabled": True, "expires_on": now()}
    secrets.set_secret("hidden", "not-to-be-seen", **given)
    mark = len(wire.exchanges)
    found = [secrets.begin_delete_secret("hidden").result(), secrets.get_deleted_secret("hidden")]
    found += [item for item in secrets.list_deleted_secrets() if item.name == "hidden"]
    for deleted in found:
        assert {name: getattr(deleted.properties, name) for name in given} == given
        assert getattr(deleted, "value", None) is None
    assert len(found) == 3
    assert [exchange for exchange in wire.since(mark) if b"not-to-be-seen" in exchange.content] == []


def test_a_deleted_key_shows_its_public_part(clients):
    keys = clients(KeyClient, LIFECYCLE_VAULT)
    made = keys.create_ec_key("public", curve="P-384", tags={"owner": "factory"})
    for deleted in (keys.begin_delete_key("public").result(), keys.get_deleted_key("public")):
        assert (deleted.key.crv, deleted.key.x, deleted.key.y) == ("P-384", made.key.x, made.key.y)
        assert (deleted.key_type, deleted.key_operations) == ("EC", ["sign", "verify"])
        assert deleted.properties.tags == {"owner": "factory"}


def test_a_deleted_object_is_out_of_sight(objects):
    works = objects.proof(objects.create("gone"))
    assert "gone" in names(objects.list()) and "gone" not in names(objects.list_deleted())
    objects.begin_delete("gone").wait()
    for call in (lambda: objects.get("gone"), lambda: objects.begin_delete("gone"), works):
        assert refusal(call, ResourceNotFoundError) == (404, objects.not_found, None)
    assert "gone" not in names(objects.list())
    assert list(objects.versions("gone")) == []
    assert names(objects.list_deleted()).count("gone") == 1


def test_a_recovered_object_works_as_before(objects):
    made = objects.create("back")
    works = objects.proof(made)
    objects.begin_delete("back").wait()
    poller = objects.begin_recover("back")
    poller.wait()
    recovered = poller.result()
    assert (recovered.id, recovered.name) == (made.id, "back")
    assert works()
    assert objects.get("back").properties.created_on == made.properties.created_on
    assert objects.get("back").properties.updated_on == made.properties.updated_on
    assert "back" in names(objects.list()) and "back" not in names(objects.list_deleted())
    assert refusal(lambda: objects.get_deleted("back"), ResourceNotFoundError) == (404, objects.not_found, None)


def test_every_version_is_recovered(objects):
    proofs = [objects.proof(objects.create("versions")) for _ in range(3)]
    before = [(version.id, version.created_on) for version in objects.versions("versions")]
    assert len(before) == 3
    objects.begin_delete("versions").wait()
    objects.begin_recover("versions").wait()
    assert [(version.id, version.created_on) for version in objects.versions("versions")] == before
    assert [works() for works in proofs] == [True] * 3


def test_every_value_is_recovered(clients):
    secrets = clients(SecretClient, LIFECYCLE_VAULT)
    made = [secrets.set_secret("values", value) for value in ("first", "second", "third")]
    secrets.begin_delete_secret("values").wait()
    secrets.begin_recover_deleted_secret("values").wait()
    found = [secrets.get_secret("values", secret.properties.version) for secret in made]
    assert [secret.value for secret in found] == ["first", "second", "third"]
    assert secrets.get_secret("values").value == "third"


def test_a_deleted_name_is_taken_until_it_is_purged(objects):
    delete(objects, "purged")
    assert refusal(lambda: objects.create("purged"), ResourceExistsError) == DELETED_BUT_RECOVERABLE
    assert refusal(lambda: objects.create("PURGED"), ResourceExistsError) == DELETED_BUT_RECOVERABLE
    assert objects.purge("purged") is None
    for call in (objects.get_deleted, objects.begin_recover, objects.purge):
        assert refusal(lambda: call("purged"), ResourceNotFoundError) == (404, objects.not_found, None)
    assert "purged" not in names(objects.list_deleted())
    made = objects.create("purged")
    assert [version.id for version in objects.versions("purged")] == [made.id]


def test_a_key_is_not_imported_over_a_deleted_one(clients):
    keys = clients(KeyClient, LIFECYCLE_VAULT)
    theirs = ec_jwk(ec.generate_private_key(ec.SECP256R1()), "P-256")
    keys.create_ec_key("imported")
    keys.begin_delete_key("imported").wait()
    assert refusal(lambda: keys.import_key("imported", theirs), ResourceExistsError) == DELETED_BUT_RECOVERABLE
    keys.purge_deleted_key("imported")
    assert keys.import_key("imported", theirs).key.x == theirs.x


def test_what_is_not_deleted_is_neither_recovered_nor_purged(objects):
    made = objects.create("alive")
    refused = (400, "MethodNotAllowed", "RequestNotAllowedOnNonDeletedObject")
    assert refusal(lambda: objects.begin_recover("alive")) == refused
    for call in (objects.purge, objects.get_deleted):
        assert refusal(lambda: call("alive"), ResourceNotFoundError) == (404, objects.not_found, None)
    assert objects.get("alive").id == made.id


def test_what_never_was_is_not_found(objects):
    for call in (objects.begin_delete, objects.get_deleted, objects.begin_recover, objects.purge):
        assert refusal(lambda: call("never-made"), ResourceNotFoundError) == (404, objects.not_found, None)


def test_keys_and_secrets_of_one_name_live_apart(objects_of):
    secrets, keys = (objects_of(kind, LIFECYCLE_VAULT) for kind in KINDS)
    secret, key = secrets.create("shared"), keys.create("shared")
    keys.begin_delete("shared").wait()
    assert secrets.get("shared").id == secret.id
    secrets.begin_delete("shared").wait()
    keys.purge("shared")
    assert secrets.get_deleted("shared").id == secret.id
    assert keys.create("shared").id != key.id


def test_purge_protection_leaves_recovery_alone(guarded):
    works = guarded.proof(guarded.create("protected"))
    deleted = guarded.begin_delete("protected").result()
    assert (deleted.properties.recovery_level, deleted.properties.recoverable_days) == ("Recoverable", 90)
    assert deleted.scheduled_purge_date == deleted.deleted_date + timedelta(days=90)
    with pytest.raises(HttpResponseError, match="purge protection is enabled for this vault") as refused:
        guarded.purge("protected")
    assert (refused.value.status_code, refused.value.error.code) == (403, "Forbidden")
    assert guarded.get_deleted("protected").deleted_date == deleted.deleted_date
    guarded.begin_recover("protected").wait()
    assert works()


def test_without_soft_delete_there_is_nothing_to_wait_for(plain, sent):
    made = plain.create("plain")
    assert made.properties.recovery_level == "Purgeable"
    mark = sent.mark()
    poller = plain.begin_delete("plain")
    assert poller.status() == "finished"
    poller.wait()
    assert sent(mark) == [("DELETE", f"/{plain.collection}/plain", 200)]
    deleted = poller.result()
    assert (deleted.id, deleted.recovery_id) == (made.id, None)
    assert (deleted.deleted_date, deleted.scheduled_purge_date) == (None, None)


def test_without_soft_delete_nothing_is_left(plain):
    delete(plain, "nothing")
    assert refusal(lambda: plain.get("nothing"), ResourceNotFoundError) == (404, plain.not_found, None)
    for call in (plain.get_deleted, plain.begin_recover, plain.purge, lambda _: list(plain.list_deleted())):
        assert refusal(lambda: call("nothing")) == (400, "NotSupported", None)
    made = plain.create("nothing")
    assert [version.id for version in plain.versions("nothing")] == [made.id]


@dataclass
class Begun:
    """An object of a vault that takes its time, and what was begun with it."""

    objects: Secrets | Keys
    name: str
    works: Callable[[], bool]
    deletion: LROPoller | None = None
    recovery: LROPoller | None = None
    looks: list[int] | None = None

    def wait(self, wire, poller: LROPoller) -> None:
        """Waits, and keeps how each look was answered."""
        mark = len(wire.exchanges)
        poller.wait()
        ours = {f"/{self.objects.collection}/{self.name}/", f"/deleted{self.objects.collection}/{self.name}"}
        self.looks = [exchange.status for exchange in wire.since(mark) if exchange.path in ours]


# A vault that takes its time. Everything is begun side by side, so that the suite waits once for deletions and once for
# recoveries.


@pytest.fixture(scope="module")
def deleting(objects_of) -> list[Begun]:
    begun = []
    for objects in [objects_of(kind, SLOW_VAULT) for kind in KINDS]:
        for name in ("to-recover", "to-purge"):
            begun.append(Begun(objects, name, objects.proof(objects.create(name))))
    for one in begun:
        one.deletion = one.objects.begin_delete(one.name)
    return begun


@pytest.fixture(scope="module")
def deleted(deleting, wire) -> list[Begun]:
    with ThreadPoolExecutor(len(deleting)) as waiting:
        list(waiting.map(lambda one: one.wait(wire, one.deletion), deleting))
    return deleting


@pytest.fixture(scope="module")
def purging(deleted) -> list[Begun]:
    purging = [one for one in deleted if one.name == "to-purge"]
    for one in purging:
        one.objects.purge(one.name)
    return purging


@pytest.fixture(scope="module")
def recovering(deleted, purging) -> list[Begun]:
    recovering = [one for one in deleted if one.name == "to-recover"]
    for one in recovering:
        one.recovery = one.objects.begin_recover(one.name)
    return recovering


@pytest.fixture(scope="module")
def recovered(recovering, wire) -> list[Begun]:
    with ThreadPoolExecutor(len(recovering)) as waiting:
        list(waiting.map(lambda one: one.wait(wire, one.recovery), recovering))
    return recovering


def test_what_is_being_deleted_is_nowhere_and_its_name_is_taken(deleting):
    for one in deleting:
        objects, name = one.objects, one.name
        assert one.deletion.status() == "polling"
        for call in (objects.get, objects.get_deleted):
            assert refusal(lambda: call(name), ResourceNotFoundError) == (404, objects.not_found, None)
        for call in (objects.create, objects.begin_recover, objects.purge):
            assert refusal(lambda: call(name), ResourceExistsError) == BEING_DELETED
        assert name not in names(objects.list()) + names(objects.list_deleted())


def test_the_poller_waits_until_the_deletion_is_done(deleted):
    for one in deleted:
        assert one.deletion.status() == "finished"
        assert one.looks == [404] * (len(one.looks) - 1) + [200] and len(one.looks) > 1
        answered, found = one.deletion.result(), one.objects.get_deleted(one.name)
        assert (found.id, found.deleted_date) == (answered.id, answered.deleted_date)
        assert found.scheduled_purge_date == found.deleted_date + timedelta(days=7)
        assert names(one.objects.list_deleted()).count(one.name) == 1


def test_what_is_being_recovered_is_nowhere_and_its_name_is_taken(recovering):
    for one in recovering:
        objects, name = one.objects, one.name
        assert one.recovery.status() == "polling"
        for call in (objects.get, objects.get_deleted):
            assert refusal(lambda: call(name), ResourceNotFoundError) == (404, objects.not_found, None)
        for call in (objects.create, objects.begin_delete, objects.begin_recover, objects.purge):
            assert refusal(lambda: call(name), ResourceExistsError) == BEING_RECOVERED


def test_the_name_of_what_is_being_purged_is_taken(purging):
    for one in purging:
        for call in (one.objects.create, one.objects.begin_recover, one.objects.purge):
            assert refusal(lambda: call(one.name), ResourceExistsError) == BEING_DELETED


def test_the_poller_waits_until_the_recovery_is_done(recovered):
    for one in recovered:
        assert one.recovery.status() == "finished"
        assert one.looks == [404] * (len(one.looks) - 1) + [200] and len(one.looks) > 1
        assert one.works()
        assert one.objects.get(one.name).id == one.recovery.result().id == one.deletion.result().id


def test_in_the_end_the_purged_name_is_free(purging, recovered):
    for one in purging:
        refused = refusal(lambda: one.objects.get_deleted(one.name), ResourceNotFoundError)
        assert refused == (404, one.objects.not_found, None)
        assert one.objects.create(one.name).id != one.deletion.result().id
