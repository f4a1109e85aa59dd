# docker build -t deblur . && docker run --rm deblur
# Installs as `make` does, then trains one network and runs the tests. Another command, with a folder of images:
# docker run --rm -v "$PWD/photos:/photos" deblur .venv/bin/python -m deblur.restore /photos --output /photos/restored
FROM python:3.11-slim

RUN apt-get update \
    && apt-get install --yes --no-install-recommends git make \
    && rm -rf /var/lib/apt/lists/*

RUN useradd --create-home deblur
USER deblur
WORKDIR /home/deblur/deblur

COPY --chown=deblur . .
RUN make .venv/.installed TORCH_INDEX=https://download.pytorch.org/whl/cpu

CMD ["sh", "-c", "make train && make test"]
