"""Networks of the Hugging Face Hub, with a stand-in for it on this computer; huggingface_hub itself is real."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hub_stand_in import TOKEN, HubStandIn, hub, python
from network_files import write_network

from deblur import evaluate, export, restore
from deblur.errors import UserError
from deblur.inference.hub import pulled

# Pulls each network of the command line, and prints its file or the sentence.
PULL = """
import sys
from deblur.errors import UserError
from deblur.inference.hub import pulled
for name in sys.argv[1:]:
    try:
        print(pulled(name).read_text())
    except UserError as error:
        print(error)
"""
# Pushes a file into each repository of the command line.
PUSH = """
import sys
from deblur.errors import UserError
from deblur.inference.hub import push
for name in sys.argv[1:]:
    try:
        print(push(name, {"net.safetensors": b"weights"}))
    except UserError as error:
        print(error)
"""


@pytest.fixture
def server() -> Iterator[HubStandIn]:
    """A Hub with a few repositories."""
    with hub() as made:
        made.repositories |= {
            "me/one": {"README.md": b"", "net.safetensors": b"newest"},
            "me/two": {"a.safetensors": b"a", "b.safetensors": b"b", "net.pth": b"other"},
            "me/none": {"README.md": b""},
        }
        yield made


def test_networks_are_pulled_or_refused_with_a_sentence(server: HubStandIn, tmp_path: Path) -> None:
    named = {
        "hf://me/one": "newest",
        "hf://me/two/net.pth": "other",
        "hf://me/two": "hf://me/two holds 2 .safetensors files (a.safetensors, b.safetensors): name one, such as "
        "hf://me/two/a.safetensors.",
        "hf://me/none": "hf://me/none holds no .safetensors or .onnx file: name the file of the network, as in "
        "hf://USER/NAME/FILE.",
        "hf://me/one@v1": f"hf://me/one@v1: the repository has no such revision on {server.address}.",
        "hf://me/one/a.pth": f"hf://me/one/a.pth: the repository has no such file on {server.address}.",
        "hf://me/private": f"hf://me/private: {server.address} has no such repository, or it is private: check the "
        "name; for a private one, run hf auth login, or set HF_TOKEN to a token that may read it.",
    }
    environment = server.environment(tmp_path)
    assert python(environment, "-c", PULL, *named).stdout.splitlines() == [*named.values()]
    # Without a connection, what is in the cache is taken.
    found = python(environment | {"HF_HUB_OFFLINE": "1"}, "-c", PULL, "hf://me/one", "hf://me/two/a.safetensors")
    assert found.stdout.splitlines() == [
        "newest",
        f"hf://me/two/a.safetensors: {server.address} cannot be reached, and it was not downloaded before: connect "
        "this computer, or unset HF_HUB_OFFLINE.",
    ]


def test_only_a_token_that_may_write_pushes(server: HubStandIn, tmp_path: Path) -> None:
    said = python(server.environment(tmp_path, "hf_reader"), "-c", PUSH, "me/new").stdout
    assert said == (
        f"--push me/new: {server.address} does not allow it (status 401): run hf auth login, or set HF_TOKEN to a "
        "token that has the right.\n"
    )
    assert "me/new" not in server.repositories
    assert python(server.environment(tmp_path, TOKEN), "-c", PUSH, "me/new").stdout == f"{server.address}/me/new\n"
    assert server.repositories["me/new"] == {"net.safetensors": b"weights"}
    assert server.created == [{"name": "new", "organization": "me", "visibility": "private"}]
    nowhere = server.environment(tmp_path, TOKEN) | {"HF_ENDPOINT": "http://127.0.0.1:9"}
    said = python(nowhere, "-c", PUSH, "me/new").stdout
    assert said.startswith("--push me/new: http://127.0.0.1:9 cannot be reached: connect this computer")


def test_what_is_missing_is_said_before_anything_is_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_network(tmp_path / "net.safetensors", (3, 1))
    for wrong in ("hf://", "hf://me", "hf://me/..", "hf://me/a b"):
        with pytest.raises(UserError, match="is no address of a network on the Hub: give hf://USER/NAME"):
            pulled(wrong)
    push = [str(path), "--format=safetensors", f"--output={tmp_path / 'out'}", "--push"]
    assert export.main([*push, "me"]) == 2
    assert "--push me is no repository: give USER/NAME" in capsys.readouterr().err
    monkeypatch.setattr("huggingface_hub.get_token", lambda: None)
    assert export.main([*push, "me/net"]) == 2
    assert "--push me/net needs a token of the Hub that may write" in " ".join(capsys.readouterr().err.split())
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)  # not installed
    cure = "needs huggingface_hub: pip install deblur-lab[hub]."
    assert export.main([*push, "me/net"]) == 2
    assert f"--push me/net {cure}" in capsys.readouterr().err
    assert evaluate.main(["run=hf://me/net"]) == 2
    assert f"hf://me/net {cure}" in capsys.readouterr().err
    (tmp_path / "image.png").touch()
    assert restore.main([str(tmp_path / "image.png"), "--network", "hf://me/net"]) == 2
    assert f"hf://me/net {cure}" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_a_network_is_exported_to_the_hub_and_restores_and_is_evaluated_from_there(
    server: HubStandIn, tmp_path: Path
) -> None:
    from PIL import Image

    path = write_network(tmp_path / "net.safetensors", (3, 1), brighter=0.1)
    environment = server.environment(tmp_path / "home", TOKEN)
    words = [str(path), "--format=safetensors", f"--output={tmp_path / 'out'}", "--push=me/net"]
    pushed = python(environment, "-m", "deblur.export", *words)
    assert f"It is pushed to {server.address}/me/net, and pulled with --network hf://me/net" in " ".join(
        pushed.stdout.split()
    )
    files = server.repositories["me/net"]
    assert files["net.safetensors"] == (tmp_path / "out" / "net.safetensors").read_bytes()
    card = files["README.md"].decode()
    assert card.startswith("---\nlibrary_name: deblur\n")
    assert (tmp_path / "out" / "net.md").read_text() in card
    assert "--network hf://me/net" in card
    Image.new("L", (8, 8), 100).save(tmp_path / "gray.png")
    reader = server.environment(tmp_path / "other")
    restored = python(reader, "-m", "deblur.restore", str(tmp_path / "gray.png"), "-n", "hf://me/net")
    assert restored.returncode == 0, restored.stderr
    assert Image.open(tmp_path / "gray-restored.png").getpixel((4, 4)) == 126  # 100 + 0.1 * 255, rounded
    places = (f"output={tmp_path / 'evaluation'}", f"paths.cache_root={tmp_path / 'cache'}", "data.max_images=4")
    measured = python(reader, "-m", "deblur.evaluate", "run=hf://me/net", "accelerator=cpu", *places)
    assert measured.returncode == 0, measured.stderr
    summary = json.loads((tmp_path / "evaluation" / "metrics.json").read_text())
    assert [*summary["boundaries"]["symmetric"]["restorers"]] == ["net"]
    exported = python(
        reader,
        "-m",
        "deblur.export",
        "hf://me/net",
        "--format=safetensors",
        f"--output={tmp_path / 'again'}.safetensors",
    )
    assert exported.returncode == 0, exported.stderr
    assert (tmp_path / "again.safetensors").is_file()
    words = ("weights=hf://me/net", "model.kernel_sizes=[3,1]", "model.widths=[2]", f"paths.output_root={tmp_path}")
    checked = python(reader, "-m", "deblur.train", *words, "data.max_images=12", "dry_run=true")
    assert checked.returncode == 0, checked.stderr
    shown = python(reader, "-c", "from deblur.demo.work import Networks; print(Networks('hf://me/net').choices[0])")
    assert "net (your own network" in shown.stdout, shown.stderr
