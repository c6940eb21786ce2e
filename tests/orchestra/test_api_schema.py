"""The OpenAPI description: complete, valid, and true to the conventions of the API."""

import pytest
from django.core.management import call_command
from drf_spectacular.generators import SchemaGenerator

pytestmark = pytest.mark.django_db


@pytest.fixture(scope="module")
def schema():
    return SchemaGenerator().get_schema(request=None, public=True)


def operations(schema):
    return [(path, method, found) for path, verbs in schema["paths"].items() for method, found in verbs.items()]


def test_it_is_made_without_a_warning(tmp_path):
    call_command("spectacular", fail_on_warn=True, validate=True, file=str(tmp_path / "schema.yml"))


def test_every_operation_may_answer_with_an_error_in_the_one_form(schema):
    form = {"$ref": "#/components/schemas/Error"}
    without = [
        (path, method)
        for path, method, operation in operations(schema)
        for status in ("400", "401", "403")
        if operation["responses"][status]["content"]["application/json"]["schema"] != form
    ]

    assert without == []


def test_every_list_is_a_keyset_page(schema):
    lists = [operation for _, _, operation in operations(schema) if "cursor" in parameters(operation)]

    assert lists
    for operation in lists:
        reference = operation["responses"]["200"]["content"]["application/json"]["schema"]["$ref"]
        page = schema["components"]["schemas"][reference.rpartition("/")[2]]
        assert page["properties"].keys() >= {"next", "previous", "results"}


def test_every_creation_takes_an_idempotency_key(schema):
    creations = [operation for _, _, operation in operations(schema) if "201" in operation["responses"]]

    assert creations
    assert all("Idempotency-Key" in parameters(operation) for operation in creations)


def test_tokens_and_sessions_are_how_one_signs_in(schema):
    assert schema["components"]["securitySchemes"].keys() == {"token", "session"}


def parameters(operation):
    return {parameter["name"] for parameter in operation.get("parameters", [])}
