# runecast: what people do with this tree. `make` alone lists it.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

GOLANGCI_LINT_VERSION := v2.15.0
HELM_DOCS_VERSION := v1.14.2
TOOLS := $(CURDIR)/.cache/tools

# The directory of the server that `make run` starts, and the vulnerability data it builds its feed from: a directory with
# osv/<Ecosystem>/all.zip and, where there, nvdcve-2.0.json.gz, cve5.zip, known_exploited_vulnerabilities.json.
DATA  ?= data
FEEDS ?= $(firstword $(wildcard ../shared/feeds))
# OSV's ecosystems whose public data `make run` downloads instead, such as Debian,Alpine,Go, or all. Empty: it downloads nothing.
DOWNLOAD ?=
# The address of `make run`.
LISTEN ?= localhost:9080

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z][a-z-]*:.*## /{printf "  %-20s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: build
build: ## Build bin/runecast
	CGO_ENABLED=0 go build -trimpath -o bin/runecast ./cmd/runecast

# The images that `make images` makes: IMAGES is their common name up to the last part, PLATFORMS are for a Docker that has buildx.
IMAGES ?= ghcr.io/runecast
IMAGE_TAG ?= $(shell sed -n 's/^appVersion: *"\{0,1\}\([^"]*\)"\{0,1\}$$/\1/p' charts/runecast/Chart.yaml)
PLATFORMS ?= linux/amd64
# Set to --push to send images of several platforms to their registry, as a local Docker holds but one.
BUILDX_OUTPUT ?= --load

.PHONY: images
images: ## Build the images of the server and of certgen (IMAGES, IMAGE_TAG, PLATFORMS, BUILDX_OUTPUT)
	IMAGES='$(IMAGES)' IMAGE_TAG='$(IMAGE_TAG)' PLATFORMS='$(PLATFORMS)' BUILDX_OUTPUT='$(BUILDX_OUTPUT)' scripts/images

.PHONY: run
run: build ## Start a server on https://localhost:9080 and print how to send it a review
	DATA='$(DATA)' FEEDS='$(FEEDS)' DOWNLOAD='$(DOWNLOAD)' LISTEN='$(LISTEN)' scripts/run

.PHONY: demo
demo: ## Show a denial and an approval with no network at all
	FEEDS='$(FEEDS)' go run ./scripts/demo

.PHONY: test
test: ## Run every test that needs no Docker
	go test -timeout 20m ./...

.PHONY: test-race
test-race: ## Run the tests of concurrent code under the race detector
	go test -race -timeout 20m ./pkg/admission/... ./pkg/auth/... ./pkg/feed/... ./pkg/image/... ./pkg/scan/... ./pkg/workload/...

# What the pages are looked at with, and where the pictures of them are written.
AXE_VERSION := 4.14.1
AXE := $(CURDIR)/.cache/axe-core-$(AXE_VERSION)/package/axe.min.js
PICTURES ?= $(CURDIR)/.cache/pictures

.PHONY: test-browser
test-browser: $(AXE) ## Use the pages in a headless Chromium, check them with axe-core, write pictures of them (Chromium, npm)
	RUNECAST_REQUIRE_BROWSER=1 RUNECAST_AXE='$(AXE)' RUNECAST_PICTURES='$(PICTURES)' go test -tags browser -count=1 -timeout 15m ./e2e/browser

$(AXE):
	mkdir -p $(CURDIR)/.cache/axe-core-$(AXE_VERSION)
	cd $(CURDIR)/.cache/axe-core-$(AXE_VERSION) && npm pack --silent axe-core@$(AXE_VERSION) >/dev/null && tar xzf axe-core-$(AXE_VERSION).tgz package/axe.min.js
	touch $@

.PHONY: test-certgen
test-certgen: $(TOOLS)/certmanager ## Try certgen against real API servers: kills, rotation under load, beside cert-manager (two minutes)
	RUNECAST_REQUIRE_APISERVER=1 go test -tags certgen -count=1 -timeout 10m ./e2e/certgen

# cert-manager's controllers and cainjector. Its dependencies are many, so it has a module of its own.
CERTMANAGER := scripts/certgen/tools/certmanager
$(TOOLS)/certmanager: $(addprefix $(CERTMANAGER)/,go.mod go.sum main.go)
	mkdir -p $(TOOLS)
	cd $(CERTMANAGER) && go build -trimpath -buildvcs=false -o $@ .
	touch $@

.PHONY: controlplane-goldens
controlplane-goldens: ## Write the manifests of kubeadm that pkg/controlplane is tested with anew, by kubeadm's own package (a quarter of an hour)
	scripts/controlplane/goldens
	RUNECAST_UPDATE_GOLDEN=1 go test -count=1 -run 'Golden' ./pkg/controlplane

.PHONY: chart
chart: $(TOOLS)/helm-unittest $(TOOLS)/helm-docs ## Check the chart: its page, its suites, every mode against a real API server
	TOOLS='$(TOOLS)' scripts/chart/check

.PHONY: chart-docs
chart-docs: $(TOOLS)/helm-docs ## Make the chart's README.md of the comments of values.yaml
	TOOLS='$(TOOLS)' scripts/chart/docs

$(TOOLS)/helm-docs: Makefile
	GOBIN=$(TOOLS) go install github.com/norwoodj/helm-docs/cmd/helm-docs@$(HELM_DOCS_VERSION)
	touch $@

# It builds only in a main module that repeats its replace directive.
$(TOOLS)/helm-unittest: scripts/chart/tools/unittest/go.mod scripts/chart/tools/unittest/go.sum
	mkdir -p $(TOOLS)
	cd scripts/chart/tools/unittest && go build -trimpath -buildvcs=false -o $(TOOLS)/ tool
	touch $@

.PHONY: e2e
e2e: ## Install the chart on real kind clusters and lead it through its life (Docker; a quarter of an hour)
	scripts/e2e

.PHONY: fuzz
fuzz: ## Fuzz every fuzz target for FUZZTIME (default 30s) each
	scripts/fuzz

.PHONY: bench
bench: bench-review bench-scan ## Run the benchmarks that the README quotes

.PHONY: bench-review
bench-review: ## A cached review beside an empty handler that decodes and allows
	go test -run '^$$' -bench Review -benchtime 2s -count 3 ./pkg/admission
	go test -run '^$$' -bench ServeReview -benchtime 2s -count 3 ./cmd/runecast/app

.PHONY: bench-scan
bench-scan: ## A cold scan of a 200 MB image beside gunzip and a tar walk of the same layers
	go test -run '^$$' -bench 'ColdScan|Floor' -benchtime 3x ./pkg/scan

.PHONY: bench-rematch
bench-rematch: ## Match 10,000 stored inventories of 400 packages again, as a new feed has it done
	go test -run '^$$' -bench Rematch -benchtime 1x -timeout 30m ./pkg/rematch

.PHONY: bench-store
bench-store: ## Read lists, searches, vulnerabilities and the Overview of 100,000 scans and 5 million findings, on SQLite and PostgreSQL (ten minutes)
	go test -run '^$$' -bench Large -benchtime 100x -timeout 60m ./pkg/store

# What the peers are built in, and what they work on: about 2 GB, kept between runs.
PEERS := $(CURDIR)/.cache/peers
PEER_RUNS ?= 5
PEER_ROWS ?= 1000000

.PHONY: bench-peers
bench-peers: peers ## Measure beside Grype, Syft and osv-scanner (root, debootstrap; about an hour the first time)
	$(PEERS)/bin/peers bench -bin $(PEERS)/bin -feeds '$(FEEDS)' -work $(PEERS)/work -runs $(PEER_RUNS) -rows $(PEER_ROWS)

.PHONY: diff-peers
diff-peers: peers ## Compare findings with those of Grype and osv-scanner; docs/peers.md explains each difference (root, debootstrap)
	$(PEERS)/bin/peers diff -bin $(PEERS)/bin -feeds '$(FEEDS)' -work $(PEERS)/work -table docs/peers.md

.PHONY: peers
peers: build
	mkdir -p $(PEERS)/bin $(PEERS)/work
	cd scripts/peers/tools/anchore && go build -trimpath -buildvcs=false -o $(PEERS)/bin tool ./grypedb
	cd scripts/peers/tools/osvscanner && go build -trimpath -buildvcs=false -o $(PEERS)/bin tool
	cd scripts/peers/tools/old && go build -trimpath -buildvcs=false -o $(PEERS)/bin .
	go build -trimpath -o $(PEERS)/bin/peers ./scripts/peers
	cp bin/runecast $(PEERS)/bin/

.PHONY: lint
lint: $(TOOLS)/golangci-lint ## Check the code
	test -z "$$(git ls-files '*.sh' scripts .ci | xargs -r grep -lI '^#!.*bash' | xargs -r -n1 bash -n 2>&1)"
	go mod tidy -diff
	$(TOOLS)/golangci-lint run ./...

.PHONY: fmt
fmt: $(TOOLS)/golangci-lint ## Format the code
	$(TOOLS)/golangci-lint fmt ./...

$(TOOLS)/golangci-lint: Makefile
	GOBIN=$(TOOLS) go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_LINT_VERSION)
	touch $@

.PHONY: clean
clean: ## Remove what the other targets made, but for the data directory
	rm -rf bin .cache
