#!/usr/bin/env bash
# Makes a Debian machine ready for `make up` and `make test`: checks it, installs packages and the virtual environment.
# Runs again in a moment when nothing changed. Must not start any service on the machine.
#   tools/bootstrap.sh run|test|stop
set -euo pipefail
cd "$(dirname "$0")/.."
purpose=${1:-run}
say() { printf '%s\n' "$*" >&2; }

missing=()
[[ $(id -u) -eq 0 ]] || missing+=("root: run this as root; the lab makes namespaces and mounts / 请以 root 运行")
[[ -r /etc/os-release ]] && . /etc/os-release
[[ ${ID:-} == debian && ${VERSION_ID:-} == 12 ]] || missing+=("Debian 12: this machine is ${PRETTY_NAME:-unknown} / 需要 Debian 12")
command -v python3 >/dev/null && python3 -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' ||
  missing+=("Python 3.11: apt-get install -y python3 python3-venv / 需要 Python 3.11")
[[ $purpose == stop && -x .venv/bin/gasp ]] && exit 0 # what is to be stopped needs nothing new
if [[ $purpose != stop ]] && ! pgrep -f -- '-m lab.supervisor' >/dev/null; then # what runs already needs no more room
  need=3500; have=$(df -Pm /var | awk 'NR==2 {print $4}')
  [[ $have -ge $need ]] || missing+=("disk: /var has ${have} MB free, ${need} MB are needed / 磁盘空间不足")
  memory=$(awk '/MemAvailable/ {print int($2/1024)}' /proc/meminfo)
  [[ $memory -ge 5000 ]] || missing+=("memory: ${memory} MB are available, 5000 MB are needed for 104 hosts / 内存不足")
fi
[[ -d /sys/fs/cgroup ]] || missing+=("control groups: /sys/fs/cgroup is missing / 缺少 cgroup")
if ((${#missing[@]})); then
  say "This machine is not ready; nothing was changed:"
  printf '  - %s\n' "${missing[@]}" >&2
  exit 1
fi

packages=(python3-venv systemd-container mmdebstrap nftables iproute2 openssh-client procps ca-certificates openssl kmod
  libpango-1.0-0 libpangoft2-1.0-0 fonts-wqy-microhei) # the last line: hand-over sheets as PDF
lock=requirements.lock
if [[ $purpose == test ]]; then
  # Private instances for driver tests, their ordinary clients, and the tools that check generated files.
  packages+=(bind9 bind9-dnsutils slapd ldap-utils nginx-light vagrant curl squid gnupg chromium libatomic1
    postgresql-15 redis-server)
  lock=requirements-dev.lock
fi
absent=()
for package in "${packages[@]}"; do
  dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || absent+=("$package")
done
if ((${#absent[@]})); then
  say "Installing packages: ${absent[*]}"
  log=$(mktemp)
  # RUNLEVEL=1 keeps package scripts from starting services.
  if ! { apt-get update -qq &&
    DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get install -yqq --no-install-recommends \
      -o DPkg::Lock::Timeout=300 "${absent[@]}"; } >"$log" 2>&1; then
    tail -20 "$log" >&2
    say "apt-get failed; see above. / 软件包安装失败，见上。"
    exit 1
  fi
  rm -f "$log"
fi

stamp=.venv/.ready-$purpose
wanted=$(cat requirements.lock "$lock" pyproject.toml | sha256sum | cut -d' ' -f1)
if [[ ! -f $stamp || $(cat "$stamp") != "$wanted" ]]; then
  say "Preparing the virtual environment (.venv)"
  [[ -x .venv/bin/python ]] || python3 -m venv .venv
  .venv/bin/pip install --quiet --disable-pip-version-check --require-hashes -r "$lock"
  .venv/bin/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
  echo "$wanted" >"$stamp"
fi
