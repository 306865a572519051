# One image for both kinds of process: `serve`, which it runs by itself, and `chain_worker`.
FROM python:3.11-slim-bookworm

RUN useradd --system --uid 10001 --create-home --home-dir /var/lib/chain-chat chain-chat
WORKDIR /srv/chain-chat

# Changes more seldom than the code: a new version of it needs no download.
COPY requirements.txt .
RUN pip install --no-cache-dir --disable-pip-version-check --require-hashes -r requirements.txt

COPY manage.py .
COPY chainchat chainchat
COPY chains chains
COPY templates templates
COPY static static
# Nothing below may be written when it runs.
RUN python -m compileall -q manage.py chainchat chains

USER chain-chat
ENV HOST=0.0.0.0 \
    PORT=8000 \
    PYTHONUNBUFFERED=1 \
    VAR_DIR=/var/lib/chain-chat
VOLUME /var/lib/chain-chat
EXPOSE 8000
CMD ["python", "manage.py", "serve"]
