# syntax=docker/dockerfile:1

FROM python:3.11.14-slim-bookworm AS dependencies
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
RUN python -m venv /opt/venv
COPY requirements.txt /tmp/requirements.txt
RUN /opt/venv/bin/python -m pip install --no-input -r /tmp/requirements.txt


FROM python:3.11.14-slim-bookworm
LABEL org.opencontainers.image.title="GPU Fleet Console" \
      org.opencontainers.image.licenses="Apache-2.0"

RUN useradd --uid 10001 --user-group --create-home --home-dir /home/console --shell /usr/sbin/nologin console \
 && install -d -o console -g console /data

COPY --from=dependencies /opt/venv /opt/venv
WORKDIR /srv/console
COPY LICENSE ./
COPY .streamlit/config.toml ./.streamlit/config.toml
COPY app.py asgi.py ./
COPY pages ./pages
COPY services ./services
COPY db ./db
RUN /opt/venv/bin/python -m compileall -q app.py asgi.py pages services db

ENV PATH=/opt/venv/bin:$PATH \
    HOME=/home/console \
    PYTHONUNBUFFERED=1 \
    GFC_DATA_DIR=/data \
    STREAMLIT_SERVER_ADDRESS=0.0.0.0 \
    STREAMLIT_SERVER_PORT=8501

USER 10001:10001
VOLUME /data
EXPOSE 8501
STOPSIGNAL SIGTERM

HEALTHCHECK --interval=15s --timeout=5s --start-period=30s --retries=3 \
  CMD ["python", "-c", "import os, sys, urllib.request as r; b = os.environ.get('STREAMLIT_SERVER_BASE_URL_PATH', '').strip('/'); u = f\"http://127.0.0.1:{os.environ['STREAMLIT_SERVER_PORT']}/{b + '/' if b else ''}_stcore/health\"; sys.exit(r.urlopen(u, timeout=4).read() != b'ok')"]

CMD ["streamlit", "run", "asgi.py"]
