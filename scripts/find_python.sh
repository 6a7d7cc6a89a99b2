# Prints the first CPython of 3.11 or newer that can make a virtual environment; fails with a sentence when there is none.
set -eu
for candidate in python3 python3.11 python3.12 python3.13 python3.14 "$HOME"/.pyenv/versions/3.1[1-9]*/bin/python3; do
  if "$candidate" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then
    echo "$candidate"
    exit 0
  fi
done
echo "no CPython of 3.11 or newer with venv was found: install python3.11 and python3.11-venv" >&2
exit 1
