#!/usr/bin/env bash
# Builds Keyhaven and plays the drill 'network'; options go on to `keyhaven drill`, whose --help says them.
cd "$(dirname "${BASH_SOURCE[0]}")/.." && exec cargo run --locked --quiet -- drill network "$@"
