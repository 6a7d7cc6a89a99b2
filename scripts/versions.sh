#!/usr/bin/env bash
# Runs the whole pytest suite on another CPython: plain, in development mode, and with the shortest and the longest switch interval.
# The environment, the wheel and what cargo built of it lie in target/versions.
set -euo pipefail
version=$1
place=target/versions/$version

found=
for candidate in "python$version" "$HOME/.pyenv/versions/$version".*/bin/python3; do
  if "$candidate" -c 'import venv, ensurepip' >/dev/null 2>&1; then found=$candidate; fi
done
[ -n "$found" ] || { echo "no CPython $version with venv was found" >&2; exit 1; }

if [ ! -e "$place/.stamp" ] || [ requirements-dev.txt -nt "$place/.stamp" ]; then
  "$found" -m venv --clear "$place"
  "$place/bin/python" -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
  touch "$place/.stamp"
fi
# Without what makes a build slow and a test no better.
rm -rf "$place/wheels"
env -u PYO3_PYTHON -u VIRTUAL_ENV CARGO_TARGET_DIR=target/versions/cargo CARGO_PROFILE_RELEASE_LTO=off \
  CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 CARGO_PROFILE_RELEASE_DEBUG=false \
  "$place/bin/maturin" build --release --locked --quiet --interpreter "$place/bin/python" --out "$place/wheels"
"$place/bin/python" -m pip install --quiet --disable-pip-version-check --force-reinstall --no-deps "$place"/wheels/*.whl

run() {
  echo "CPython $version, $1"
  env "${@:2}" "$place/bin/pytest" --quiet -p no:cacheprovider tests
}
run "plain"
run "development mode" PYTHONDEVMODE=1
run "switch interval of a microsecond" IRIS_SWITCH_INTERVAL=1e-6
# Where threads hold the interpreter for a second, one that is one of many waits for long.
run "switch interval of a second" IRIS_SWITCH_INTERVAL=1.0 IRIS_EXIT_RUNS=3
