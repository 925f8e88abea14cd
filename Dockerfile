# One image for every process of ours; what a container runs is its command.
#
# Behind a proxy: HTTP_PROXY, HTTPS_PROXY and NO_PROXY are build arguments that Docker knows by
# itself. PIP_INDEX_URL names an index of your own, PIP_CA the text of a certificate that pip is to
# trust besides its own (docker-compose.yml passes all of them on from the environment or .env).
FROM python:3.11-slim-bookworm AS builder

ARG PIP_INDEX_URL=
ARG PIP_CA=
COPY requirements/runtime.txt /build/
# An argument that is empty must not reach pip as a setting. What no service can reach is left out:
# the embedded nats-server of `tidegate up`, pyarrow's Flight, headers and tests.
RUN if [ -z "$PIP_INDEX_URL" ]; then unset PIP_INDEX_URL; fi \
 && if [ -n "$PIP_CA" ]; then \
      cat "${PIP_CERT:-/etc/ssl/certs/ca-certificates.crt}" > /build/ca.pem 2>/dev/null || true; \
      printf '%s\n' "$PIP_CA" >> /build/ca.pem; export PIP_CERT=/build/ca.pem; \
    fi \
 && python -m venv --without-pip /opt/venv \
 && python -m pip --python /opt/venv/bin/python install --quiet --no-cache-dir --no-deps \
      --disable-pip-version-check --require-hashes -r /build/runtime.txt \
 && cd /opt/venv/lib/python3.11/site-packages \
 && rm -rf /opt/venv/bin/nats-server pyarrow/*flight* pyarrow/tests pyarrow/include \
      pyarrow/includes pyarrow/src
COPY contracts /opt/tidegate/contracts
COPY runtime /opt/tidegate/runtime
COPY services /opt/tidegate/services
COPY demo /opt/tidegate/demo
COPY tidegate /opt/tidegate/tidegate
COPY docker/configuration docker/healthy.py docker/tidegate /opt/tidegate/bin/
# The root of a container is read-only: what is not compiled now would be at every start.
RUN python -m compileall -q --invalidation-mode unchecked-hash /opt/tidegate


FROM python:3.11-slim-bookworm

# The owners' places exist, and are this user's, so that the volumes mounted there become its own.
RUN groupadd --gid 10001 tidegate \
 && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /var/lib/tidegate \
      --shell /usr/sbin/nologin tidegate \
 && install -d -o tidegate -g tidegate -m 0700 /var/lib/tidegate /var/spool/tidegate /homes /store/1 /store/2 /store/3 \
 && for owner in gateway pool balancer analytics migrate nats operator; do \
      install -d -o tidegate -g tidegate -m 0700 "/homes/$owner"; done
COPY --from=builder /opt/venv /opt/venv
COPY --from=builder /opt/tidegate /opt/tidegate

ENV PATH=/opt/venv/bin:$PATH \
    PYTHONPATH=/opt/tidegate \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    TIDEGATE_HOME=/var/lib/tidegate
WORKDIR /var/lib/tidegate
USER tidegate
ENTRYPOINT ["/opt/tidegate/bin/tidegate"]
CMD ["--help"]
