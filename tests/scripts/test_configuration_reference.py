"""The tables of all keys: complete, and the same as what the commands accept."""

import deblur
from deblur.config.keys import CAMERAS, known_keys, options
from scripts.configuration_reference import GROUPS, all_keys, reference


def test_every_key_has_a_meaning_and_what_is_allowed() -> None:
    keys = all_keys()
    assert len({key.name for key in keys}) > 100
    assert [key.name for key in keys if not (key.meaning and key.allowed and key.default)] == []


def test_every_key_of_the_commands_is_in_the_tables() -> None:
    named = {key.name for key in all_keys()}
    labels = ("_target_", "name")
    for command in ("train", "evaluate"):
        known = {key for key in known_keys(command) if key.rpartition(".")[2] not in labels}
        groups = {key for key in known if key in (*GROUPS, "blur.camera", "protocol")}  # what an option `none` sets
        assert known - groups - named == set()


def test_defaults_are_those_of_a_composed_configuration() -> None:
    plain = deblur.compose("train", []).plain()
    tables = {key.name: key.default for key in reversed(all_keys())}  # the default option of a group comes first
    assert tables["loss"] == plain["loss"]
    assert float(tables["optimizer.lr"]) == plain["optimizer"]["lr"]
    assert tables["model.kernel_sizes"] == "[9,1,5]"
    assert tables["data.patch_size"] == str(plain["data"]["patch_size"])


def test_ranges_and_units_are_those_of_the_models() -> None:
    allowed = {key.name: key.allowed for key in all_keys()}
    assert allowed["blur.size"].startswith("an odd whole number from 1 to 501 [px]")
    assert allowed["optimizer.lr"] == "a number above 0"
    assert allowed["trainer.max_epochs"] == "a whole number from 1 up"
    assert "from 0 to 1" in allowed["model.kernel_error"]


def test_the_page_names_every_option() -> None:
    page = reference()
    for group in (*GROUPS, CAMERAS, "protocol"):
        for option in options(group):
            assert f"| `{option}` |" in page
    for preset in options("experiment"):
        assert f"### `experiment={preset}`" in page


def test_rows_have_four_cells() -> None:
    rows = [line for line in reference().splitlines() if line.startswith("| `") and line.count(" | ") > 1]
    assert len(rows) > 100
    assert {row.count(" | ") for row in rows} == {3}
