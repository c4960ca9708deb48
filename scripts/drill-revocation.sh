#!/usr/bin/env bash
# Builds Keyhaven and plays the drill 'revocation'; options go on to `keyhaven drill`, whose --help says them.
cd "$(dirname "${BASH_SOURCE[0]}")/.." && exec cargo run --locked --quiet -- drill revocation "$@"
