import pytest

from agents.kinds import KINDS
from agents.kinds.python import FUNCTIONS, function


def faults(**config):
    return [(fault.path, fault.message) for fault in KINDS["python"].faults(config)]


def test_a_configuration_names_a_registered_function_and_options_of_the_right_type():
    assert faults(function="test.echo", greeting="hello", times=3, share=1, loud=True) == []


def test_a_function_that_is_not_registered_is_refused_with_those_that_are():
    [(path, message)] = faults(function="os.system")

    assert path == "config.function"
    assert "test.echo" in message


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("greeting", 3, "Give a text."),
        ("times", "three", "Give a whole number."),
        ("times", True, "Give a whole number."),
        ("share", True, "Give a number."),
        ("loud", 1, "Give true or false."),
        ("volume", 1, "test.echo has no such option; known: greeting, loud, share, times."),
    ],
)
def test_an_option_is_known_and_of_its_type(option, value, message):
    assert faults(function="test.echo", **{option: value}) == [(f"config.{option}", message)]


def test_the_first_line_of_the_docstring_tells_operators_what_a_function_does():
    assert FUNCTIONS["test.sleep"].summary == "Sleep for an hour."


def test_one_name_belongs_to_one_function():
    with pytest.raises(ValueError, match="Two functions are registered"):
        function("test.echo")(lambda call: {})


def test_an_option_has_one_of_the_types_that_json_knows():
    with pytest.raises(TypeError, match="may be of the types"):
        function("test.odd", options={"when": object})
