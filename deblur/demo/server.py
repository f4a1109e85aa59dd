"""Serve the page, to this computer alone unless another address is asked for."""

import ipaddress
import os
import socket
import tempfile
import webbrowser
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from deblur.choices import Accelerator
from deblur.console import say
from deblur.demo.guard import Guard
from deblur.demo.visitors import Visitors
from deblur.demo.work import Networks, largest_upload
from deblur.errors import UserError
from deblur.text import lines

_NEEDED: Final = ("gradio", "gradio_client", "fastapi", "uvicorn", "starlette")
_GOODBYE: Final = 1  # s, for requests in progress when the page ends


def serve(
    network: str | None,
    *,
    host: str,
    port: int,
    open_browser: bool,
    max_megapixels: float,
    accelerator: Accelerator,
    trusted: Sequence[str],
) -> None:
    """Serve the page until Ctrl-C.

    Args:
        network: the user's, besides the pretrained ones: a folder, a file or an address on the Hub.
        host: an address of this computer.
        port: of the page; 0 for a free one.
        open_browser: whether the page is opened in the browser.
        max_megapixels: the largest image that is taken; larger ones are refused.
        accelerator: where to compute.
        trusted: modules of the user's whose classes may be built.

    Raises:
        UserError: if gradio is not installed, the address cannot be used, or the network is not allowed.
        KeyboardInterrupt: after Ctrl-C and cleaning up.
    """
    with tempfile.TemporaryDirectory(prefix="deblur-demo-", ignore_cleanup_errors=True) as folder:
        _settle_gradio(Path(folder))
        try:
            import uvicorn
            from fastapi import FastAPI
            from gradio import mount_gradio_app
        except ModuleNotFoundError as error:
            if str(error.name).partition(".")[0] not in _NEEDED:
                raise
            raise UserError('The demo needs gradio: pip install "deblur-lab[demo]".') from error
        from deblur.demo.page import CSS, SCRIPT, TITLE, build_page, page_theme

        listener = _listen(host, port)
        with listener:
            networks = Networks(network, accelerator, trusted)
            visitors = Visitors(Path(folder))
            page = build_page(networks, visitors, max_megapixels)
            bound_host, bound_port = listener.getsockname()[:2]
            is_private = ipaddress.ip_address(bound_host).is_loopback
            largest = largest_upload(max_megapixels)
            app = FastAPI(title=TITLE, docs_url=None, redoc_url=None, openapi_url=None)
            mount_gradio_app(
                app,
                page,
                path="/",
                server_name=bound_host,
                server_port=bound_port,
                app_kwargs={"redoc_url": None, "openapi_url": None},
                footer_links=[],
                run_history=False,
                enable_monitoring=False,
                show_error=False,
                ssr_mode=False,
                pwa=False,
                mcp_server=False,
                allowed_paths=[],
                blocked_paths=[],
                max_file_size=largest,
                theme=page_theme(),
                css=CSS,
                js=SCRIPT,
            )
            guard = Guard(app, visitors, largest, is_private=is_private)
            address = f"http://{f'[{bound_host}]' if ':' in bound_host else bound_host}:{bound_port}"
            say(lines(f"The page is at {address}", "Ctrl-C ends it."))
            if not is_private:
                say(f"warning: --host {host} lets everybody on the network use this page and this computer.")
                say(
                    "warning: The page answers by whatever host name it is asked: a web site whose name leads to this "
                    "address (DNS rebinding) can use it from a browser on the network."
                )
            if networks.missing:
                say(f"warning: {networks.missing}")
            if open_browser:
                webbrowser.open(address)  # the socket listens already
            # Gradio's own launch() would send itself requests, through a proxy if there is one, and can share the page.
            server = uvicorn.Server(
                uvicorn.Config(guard, log_level="critical", timeout_graceful_shutdown=_GOODBYE, proxy_headers=False)
            )
            server.run(sockets=[listener])


def _settle_gradio(folder: Path) -> None:
    """Set the environment that gradio reads on import: no telemetry, files in one folder, nothing shared."""
    for name in [name for name in os.environ if name.startswith("GRADIO_")]:
        del os.environ[name]
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
    os.environ["GRADIO_TEMP_DIR"] = str(folder)


def _listen(host: str, port: int) -> socket.socket:
    """Listen on an address.

    Raises:
        UserError: if it does not exist, or is in use.
    """
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise UserError(f"--host {host} is no address: give one of this computer, such as 127.0.0.1.") from error
    try:
        if os.name == "posix":  # elsewhere two programs could have one port
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen()
    except OSError as error:
        listener.close()
        raise UserError(
            f"--host {host} --port {port} cannot be used ({error.strerror}): give another port, or --port 0 for a free "
            "one."
        ) from error
    return listener
