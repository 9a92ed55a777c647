#!/usr/bin/env bash
# Refuses C++ of src/, tests/, bench/ and tools/ that clang-format-14 would write otherwise; --fix rewrites it.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
mode=(--dry-run --Werror)
while (($#)); do
  case $1 in
    --fix) mode=(-i) ;;
    --root) root=$2; shift ;;
    -h | --help) echo "usage: tools/check_format.sh [--fix] [--root FOLDER]"; exit 0 ;;
    *) echo "check_format: unknown argument '$1'; see --help" >&2; exit 2 ;;
  esac
  shift
done
if ! command -v clang-format-14 > /dev/null; then
  echo "check_format: clang-format-14 is not installed; run scripts/install" >&2
  exit 1
fi
cd "$root"
folders=()
for folder in src tests bench tools; do
  [ ! -d "$folder" ] || folders+=("$folder")
done
mapfile -d '' -t files < <(find "${folders[@]}" \( -name data -o -name corpus \) -prune -o \
  -type f \( -name '*.h' -o -name '*.cc' \) -print0 | sort -z)
if ((${#files[@]} == 0)); then
  echo "check_format: no C++ file under $root" >&2
  exit 1
fi
if [ "${mode[0]}" = -i ]; then
  exec clang-format-14 --style=file -i "${files[@]}"
fi
badly=$(clang-format-14 --style=file "${mode[@]}" "${files[@]}" 2>&1 |
  sed -nE 's/^([^: ]+):([0-9]+):[0-9]+: (error|warning): .*/\1:\2/p' |
  awk -F: '{ ++count[$1]; if (!($1 in line)) line[$1] = $2 }
    END { for (file in count) print file ": " count[file] " places, the first in line " line[file] }' | sort) || true
if [ -n "$badly" ]; then
  sed 's/^/check_format: /' <<< "$badly"
  echo "check_format: run tools/check_format.sh --fix"
  exit 1
fi
echo "check_format: ${#files[@]} files as clang-format-14 writes them"
