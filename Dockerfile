# One image per release. Its role is the command: `api`, `web`, `migrate`, `token` or `backfill` (api/app/role.py).
# Same source, same digest: `release build --runtime compose` gives it the commit's time, and nothing here depends on the day, the machine or the network's mood.

FROM node:24-slim AS spa
WORKDIR /web
COPY web/package.json web/package-lock.json web/.npmrc ./
RUN --mount=type=cache,target=/root/.npm npm ci --include=dev --ignore-scripts --no-audit --no-fund --loglevel=error
COPY web/ ./
RUN npm run build --loglevel=error

FROM python:3.13-slim AS packages
COPY requirements/bootstrap.lock requirements/api.lock /locks/
RUN --mount=type=cache,target=/root/.cache python -m venv /uv && /uv/bin/pip install -q --require-hashes -r /locks/bootstrap.lock
# Bytecode that is never compared with its source has no time in it, and a read-only file system needs it to be there.
ENV UV_LINK_MODE=copy UV_PYTHON_DOWNLOADS=never PYC_INVALIDATION_MODE=UNCHECKED_HASH
RUN --mount=type=cache,target=/root/.cache \
    /uv/bin/uv venv -q --no-project --python /usr/local/bin/python3 /release/venv \
    && /uv/bin/uv pip install -q --require-hashes --no-deps --compile-bytecode --python /release/venv/bin/python -r /locks/api.lock

FROM python:3.13-slim
WORKDIR /release/api
COPY --from=packages /release/venv /release/venv
COPY requirements/api.lock /release/requirements/api.lock
COPY db /release/db
COPY --from=spa /web/dist /release/web/dist
COPY api/app /release/api/app
RUN /release/venv/bin/python -m compileall -q --invalidation-mode unchecked-hash /release/api/app /release/db
# A new volume there is nobody's, as we are.
RUN install -d -o 65534 -g 65534 /flags
ARG REVISION=unknown
LABEL org.opencontainers.image.title="slipway" org.opencontainers.image.revision=$REVISION
ENV PATH=/release/venv/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 SLIPWAY_REVISION=$REVISION
USER 65534:65534
EXPOSE 8000
ENTRYPOINT ["python", "-m", "app.role"]
CMD ["api"]
# Each check is a process: often while it starts, seldom afterwards.
HEALTHCHECK --interval=30s --timeout=3s --start-period=30s --start-interval=500ms --retries=2 CMD ["python", "-m", "app.role", "healthy"]
