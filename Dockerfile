# syntax=docker/dockerfile:1
FROM python:3.11-slim-bookworm AS build
WORKDIR /src
RUN python -m venv /opt/selfwatch
COPY requirements/build.lock requirements/runtime.lock requirements/
RUN /opt/selfwatch/bin/pip install --no-cache-dir --disable-pip-version-check --require-hashes \
    -r requirements/build.lock -r requirements/runtime.lock
COPY pyproject.toml README.md LICENSE ./
COPY probes probes
COPY baselines baselines
COPY alerts alerts
COPY service service
RUN /opt/selfwatch/bin/pip install --no-cache-dir --disable-pip-version-check --no-build-isolation --no-deps . \
    && /opt/selfwatch/bin/python -m compileall -q /opt/selfwatch/lib

FROM python:3.11-slim-bookworm
# The HTTP client trusts the system's certificates, so the image must have them.
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --home-dir /data --no-create-home selfwatch \
    && install -d -o selfwatch -g selfwatch -m 0700 /data
COPY --from=build /opt/selfwatch /opt/selfwatch
ENV PATH=/opt/selfwatch/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    SELFWATCH_DATA_DIR=/data \
    SELFWATCH_HOST=0.0.0.0 \
    SELFWATCH_LOG_FORMAT=json
USER selfwatch
VOLUME /data
EXPOSE 8321
# Reachable from other machines, so it refuses to start without a token:
#   docker run --rm -v selfwatch:/data selfwatch token create --scope read,write
HEALTHCHECK --interval=15s --timeout=3s --start-period=20s \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8321/livez', timeout=2)"]
ENTRYPOINT ["selfwatch"]
CMD ["serve"]
