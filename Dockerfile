# fedfunnel on a processor, by Mesa's lavapipe; on a GPU where the container is given one and its driver.
#
#   docker build -t fedfunnel .
#   docker run --rm -v "$PWD:/work" fedfunnel demo
#
# What is written lies in the folder that is mounted at /work. The steps are those of the README: setup.sh installs what
# is missing, and cargo install builds.
FROM debian:stable-slim AS build
WORKDIR /fedfunnel
COPY . .
# The folder has no .git here, so that the commit has to be named: --build-arg FEDFUNNEL_COMMIT=$(git rev-parse HEAD)
ARG FEDFUNNEL_COMMIT=
RUN . ./setup.sh && cargo install --path . --locked --root /usr/local

FROM debian:stable-slim
# The driver for the processor, and the certificates that `fedfunnel data fetch` asks for.
RUN apt-get update -qq \
    && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
        mesa-vulkan-drivers ca-certificates \
    && rm -rf /var/lib/apt/lists/*
COPY --from=build /usr/local/bin/fedfunnel /usr/local/bin/fedfunnel
COPY --from=build /fedfunnel/LICENSE-APACHE /fedfunnel/LICENSE-MIT /usr/share/doc/fedfunnel/
WORKDIR /work
ENTRYPOINT ["fedfunnel"]
CMD ["--help"]
