#!/bin/sh
# Installs the system components tests use, on Debian as root and only what is missing. Elsewhere it does nothing: tests
# whose component is missing are skipped and say so.
set -eu

[ "$(id -u)" = 0 ] && [ -f /etc/debian_version ] && command -v apt-get >/dev/null || exit 0

wanted=""
command -v prometheus >/dev/null && command -v promtool >/dev/null || wanted="$wanted prometheus"
command -v chromium >/dev/null || wanted="$wanted chromium"
command -v chromedriver >/dev/null || wanted="$wanted chromium-driver"
command -v pg_ctlcluster >/dev/null && ls /usr/lib/postgresql/*/bin/postgres >/dev/null 2>&1 || wanted="$wanted postgresql"
[ -n "$wanted" ] || exit 0

echo "Installing$wanted; this happens once."

# Keeps the packages from starting their services: tests start what they use and end it.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
  trap 'rm -f "$policy"' EXIT
  printf '#!/bin/sh\nexit 101\n' > "$policy"
  chmod 755 "$policy"
fi

export DEBIAN_FRONTEND=noninteractive
log=$(mktemp)
# shellcheck disable=SC2086 - a list of words
if { apt-get update -q && apt-get install -y -q --no-install-recommends $wanted; } >"$log" 2>&1; then
  rm -f "$log"
else
  echo "Could not install$wanted; tests that need them are skipped, or fail with CI=true. The log is $log." >&2
fi
