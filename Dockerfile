# The server as a static binary in an image with nothing else but certificate authorities and an empty /data.
#
#   docker build --build-arg VERSION="$(git describe --tags --always)" -t triggers .

FROM golang:1.26 AS build
WORKDIR /src
# Modules first: they change less often than the code, so that most builds find them in the cache.
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG VERSION=dev
RUN CGO_ENABLED=0 go build -trimpath -ldflags "-s -w -X main.version=${VERSION}" -o /out/triggers ./server \
    && mkdir /out/data

FROM gcr.io/distroless/static-debian13:nonroot
COPY --from=build /out/triggers /triggers
# Where a volume is mounted over it, Docker gives that the same owner. A directory of the host's needs it by hand.
COPY --from=build --chown=65532:65532 /out/data /data
# By number, so that Kubernetes can see that it is not root.
USER 65532:65532
WORKDIR /data
VOLUME /data
# In production there is no development key: a container is reached from outside. STORAGE_BACKEND and DATABASE_URL
# choose another database than a file on the volume.
ENV APP_ENV=production HOST=0.0.0.0 PORT=8000 DATABASE_URL=sqlite:////data/events.db
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=6s --start-period=30s --retries=3 CMD ["/triggers", "health"]
ENTRYPOINT ["/triggers"]
CMD ["serve"]
