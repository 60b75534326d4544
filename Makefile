# Two commands for a bare Debian or Ubuntu machine with the Rust toolchain:
#   make demo   install a software Vulkan adapter if there is none, build, train on the embedded digits
#   make test   the same, then all tests
# Windows, macOS and machines with a GPU driver: the cargo lines below do the same.

# One epoch of the paper's network: the demo ends within three minutes on two CPU cores.
DEMO = --model dnn --epochs 1

.PHONY: demo test adapter check

demo: adapter
	cargo run --release --locked -- train $(DEMO)

test: adapter
	cargo test --locked

adapter:
	@sh assets/setup/adapter.sh

check:
	cargo fmt --check
	cargo clippy --locked --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --locked --no-deps
