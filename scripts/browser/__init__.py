"""A static page that restores photos in the browser: `python -m scripts.browser`, or `make browser`.

The network and the gate are exported to ONNX and computed by onnxruntime's WebAssembly in workers of the page. The
folder needs a web server of static files and nothing else; no photo leaves the browser.
"""
