"""The page of `python -m deblur.demo`: what it does in `work` and `wording`, how it looks in `page`, who serves it.

Only `page` and `server` need gradio.
"""
