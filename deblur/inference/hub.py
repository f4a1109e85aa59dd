"""Networks in repositories of the Hugging Face Hub, `hf://USER/NAME`; huggingface_hub is an extra."""

import functools
import importlib.util
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

from deblur.choices import HUB, PRETRAINED
from deblur.errors import UserError
from deblur.runs.paths import refuse_no_run

_NAME: Final = r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?"
_REPOSITORY: Final = re.compile(rf"{_NAME}/{_NAME}")
_ADDRESS: Final = re.compile(
    rf"{HUB}(?P<repository>{_NAME}/{_NAME})(?:@(?P<revision>[^/@\s]+))?(?:/(?P<file>[^\s]+))?/?"
)
_KINDS: Final = (".safetensors", ".onnx")  # of files of which one is taken without its name, the first kind first


class _Address(NamedTuple):
    """A network on the Hub.

    Attributes:
        repository: USER/NAME.
        revision: a branch, a tag or a commit; None is the newest.
        file: in the repository; None is its only network.
    """

    repository: str
    revision: str | None
    file: str | None


def is_on_hub(network: str | Path) -> bool:
    """Return whether a network is named by its repository."""
    return str(network).startswith(HUB)


def refuse_no_network(network: str) -> None:
    """Refuse a name, path or address without a network, before torch is imported or anything is downloaded.

    Raises:
        UserError: if nothing is there, or the address is malformed or huggingface_hub is missing.
    """
    if is_on_hub(network):
        _address(network)
    elif network not in PRETRAINED:
        refuse_no_run(Path(network))


@functools.cache
def pulled(network: str) -> Path:
    """Return the file of a network on the Hub in the cache of huggingface_hub, downloaded if it is not there.

    Without a connection, what was downloaded before is taken.

    Args:
        network: `hf://USER/NAME`, with `@REVISION` behind it for a branch, a tag or a commit, and `/FILE` behind that
            if the repository has several networks.

    Raises:
        UserError: if huggingface_hub, the connection, the repository, the right to read it, or the file is missing.
    """
    address = _address(network)
    import httpx2
    from huggingface_hub import HfApi, hf_hub_download, snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError, OfflineModeIsEnabled

    with _explained(network, "cannot be reached, and it was not downloaded before"):
        file = address.file
        if file is None:
            try:
                found = HfApi().model_info(address.repository, revision=address.revision)
                names = [each.rfilename for each in found.siblings or ()]
            except (httpx2.TransportError, OfflineModeIsEnabled) as error:
                try:
                    there = Path(
                        snapshot_download(address.repository, revision=address.revision, local_files_only=True)
                    )
                except LocalEntryNotFoundError:
                    raise error from None
                names = [each.relative_to(there).as_posix() for each in there.rglob("*") if each.is_file()]
            file = _only_network(names, network)
        return Path(hf_hub_download(address.repository, file, revision=address.revision))


def refuse_no_push(repository: str) -> None:
    """Refuse a repository whose name is not allowed, a missing huggingface_hub or token, before anything is written.

    Raises:
        UserError: naming what is missing.
    """
    option = f"--push {repository}"
    if not _REPOSITORY.fullmatch(repository):
        raise UserError(
            f"{option} is no repository: give USER/NAME, each of letters, digits, hyphens, underscores and full stops."
        )
    _refuse_no_package(option)
    from huggingface_hub import get_token

    if get_token() is None:
        raise UserError(f"{option} needs a token of the Hub that may write: run hf auth login, or set HF_TOKEN.")


def push(repository: str, files: Mapping[str, Path | bytes]) -> str:
    """Write files into a repository, in one commit; a repository that is not there is made, a private one.

    Args:
        repository: USER/NAME.
        files: by their names in it.

    Returns:
        The address of its page.

    Raises:
        UserError: if the connection or the right to write is missing.
    """
    from huggingface_hub import CommitOperationAdd, HfApi

    with _explained(f"--push {repository}", "cannot be reached"):
        api = HfApi()
        page = api.create_repo(repository, private=True, exist_ok=True)
        operations = [
            CommitOperationAdd(name, content if isinstance(content, bytes) else str(content))
            for name, content in files.items()
        ]
        api.create_commit(repository, operations, commit_message=f"Export {', '.join(files)}")
        return str(page)


def _address(network: str) -> _Address:
    found = _ADDRESS.fullmatch(network)
    if found is None:
        raise UserError(
            f"{network} is no address of a network on the Hub: give {HUB}USER/NAME, and behind it @REVISION or /FILE."
        )
    _refuse_no_package(network)
    return _Address(found["repository"], found["revision"], found["file"])


def _refuse_no_package(what: str) -> None:
    if importlib.util.find_spec("huggingface_hub") is None:
        raise UserError(f"{what} needs huggingface_hub: pip install deblur-lab[hub].")


def _only_network(names: Sequence[str], network: str) -> str:
    """Return the network among the files of a repository.

    Raises:
        UserError: if there is none, or several.
    """
    for kind in _KINDS:
        found = sorted(name for name in names if name.endswith(kind))
        if len(found) == 1:
            return found[0]
        if found:
            shown = ", ".join(found[:5])
            raise UserError(
                f"{network} holds {len(found)} {kind} files ({shown}{', ...' if len(found) > 5 else ''}): name one, "
                f"such as {network.rstrip('/')}/{found[0]}."
            )
    raise UserError(
        f"{network} holds no {' or '.join(_KINDS)} file: name the file of the network, as in {HUB}USER/NAME/FILE."
    )


@contextmanager
def _explained(what: str, unreachable: str) -> Iterator[None]:
    """Turn the errors of huggingface_hub into sentences.

    Args:
        what: was asked for, as the user wrote it.
        unreachable: what is said of the server without a connection.
    """
    import httpx2
    from huggingface_hub import constants, errors

    server = constants.ENDPOINT
    token = "run hf auth login, or set HF_TOKEN to a token"
    try:
        yield
    except errors.GatedRepoError as error:
        raise UserError(f"{what}: {server} asks for the consent to its terms first: give it on its page.") from error
    except errors.RevisionNotFoundError as error:
        raise UserError(f"{what}: the repository has no such revision on {server}.") from error
    except errors.RemoteEntryNotFoundError as error:
        raise UserError(f"{what}: the repository has no such file on {server}.") from error
    except errors.RepositoryNotFoundError as error:
        raise UserError(
            f"{what}: {server} has no such repository, or it is private: check the name; for a private one, {token} "
            "that may read it."
        ) from error
    except (httpx2.TransportError, errors.OfflineModeIsEnabled, errors.LocalEntryNotFoundError) as error:
        raise UserError(f"{what}: {server} {unreachable}: connect this computer, or unset HF_HUB_OFFLINE.") from error
    except errors.HFValidationError as error:
        raise UserError(f"{what} names no repository: {error}") from error
    except errors.HfHubHTTPError as error:
        status = error.response.status_code
        if status in (401, 403):
            raise UserError(
                f"{what}: {server} does not allow it (status {status}): {token} that has the right."
            ) from error
        reason = " ".join((error.server_message or error.response.reason_phrase or "").split())[:200]
        raise UserError(f"{what}: {server} refuses it (status {status}{f', {reason}' if reason else ''}).") from error
