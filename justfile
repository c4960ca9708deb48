# What can be done here. `just` lists it; each line runs a script that works without just too.

default:
    @just --list

# Start a server from this checkout
serve *ARGS:
    cargo run --release -- serve {{ARGS}}

# What CI runs
check:
    scripts/test

# What CI runs, licences and benchmark bounds besides
check-all:
    scripts/test all

# Unit, conformance, integration and architecture tests alone
test *ARGS:
    cargo test {{ARGS}}

# The official clients against the debug binary: python and javascript, or the suites named, or all
sdk *SUITES:
    cargo build
    tests/sdk/run {{SUITES}}

# The benchmark
bench *ARGS:
    scripts/bench {{ARGS}}

# Format everything
format:
    cargo fmt --all
