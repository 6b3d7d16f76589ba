#!/bin/sh
# Everything that must hold before a change lands: sh tests/run.sh
#
# Needs Debian and the Rust toolchain. Packages that the tests use and the machine lacks are installed first, which
# takes root or sudo. Writes to cargo's target directory, and to a temporary folder that it removes.
set -eu
cd "$(dirname "$0")/.."
exec </dev/null

# Highest exposure that `systemd-analyze security` may report, in tenths. A patrol has to reach homes, tmux and the
# network; one under strict.conf only reads logs.
exposure_max=24
exposure_strict_max=15

step=start
say() {
    step=$*
    printf '\n== %s\n' "$step"
}
fail() {
    printf '%s\n' "$*" >&2
    exit 1
}

scratch=$(mktemp -d)
finish() {
    code=$?
    rm -rf "$scratch"
    [ "$code" = 0 ] || printf '\ntests/run.sh: FAILED in step "%s"\n' "$step" >&2
}
trap finish EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

say packages
has() { command -v "$1" >/dev/null 2>&1; }
# Debian's own Python, whichever comes first on the PATH.
has_module() { /usr/bin/python3 -c "import $1" >/dev/null 2>&1; }
missing() {
    has cc || echo gcc libc6-dev
    has crontab && [ -x /usr/sbin/cron ] || echo cron
    has_module yaml || echo python3-yaml
    has_module jsonschema || echo python3-jsonschema
    has_module torch || echo python3-torch
    has systemd-analyze || echo systemd
    has flock && has unshare && has mount || echo util-linux mount
    has script || echo bsdutils
    has bindfs || echo bindfs
    has tmux || echo tmux
    has curl || echo curl
    has ps && has pgrep || echo procps
    has git || echo git
    has prometheus && has promtool || echo prometheus
    has prometheus-node-exporter || echo prometheus-node-exporter
    has prometheus-alertmanager && has amtool || echo prometheus-alertmanager
    [ -s /etc/ssl/certs/ca-certificates.crt ] || echo ca-certificates
}
packages=$(missing | tr '\n' ' ')
if [ -n "$packages" ]; then
    has apt-get || fail "no apt-get here; install what Debian calls: $packages"
    sudo=
    if [ "$(id -u)" != 0 ]; then
        sudo -n true 2>/dev/null || fail "neither root nor sudo without a password; run first: apt-get install $packages"
        sudo=sudo
    fi
    echo "installing $packages"
    apt="$sudo env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout=300"
    # An old index is no reason to stop, a package that cannot be had is.
    $apt update || echo "apt-get update failed, going on with the index as it is"
    # shellcheck disable=SC2086 # words
    $apt install --no-install-recommends $packages
    packages=$(missing | tr '\n' ' ')
    [ -z "$packages" ] || fail "still missing: $packages"
fi

say toolchain
has cargo || PATH=${CARGO_HOME:-${HOME:-/root}/.cargo}/bin:$PATH
has cargo || fail "no cargo on the PATH: install the Rust toolchain first"
cargo --version
if ! cargo fmt --version || ! cargo clippy --version; then
    fail "run first: rustup component add rustfmt clippy"
fi

say formatting
cargo fmt --check

say clippy
cargo clippy --all-targets --locked -- -D warnings

say tests
{ cargo test --locked 2>&1 || : >"$scratch/failed"; } | tee "$scratch/tests"
[ ! -e "$scratch/failed" ]

say documentation
RUSTDOCFLAGS="-D warnings" cargo doc --no-deps --locked

# The units are looked at as a user installs them, binary and all, but below a root of their own.
say "units: one sandbox"
for unit in '' @; do
    sed -e '/^#/d' -e '/^$/d' -e '/^Description=/d' -e 's/ --run %i//' "systemd/trainguard-patrol$unit.service" >"$scratch/settings$unit"
done
diff "$scratch/settings" "$scratch/settings@" || fail "trainguard-patrol@.service must have the settings of trainguard-patrol.service"

root=$scratch/root
etc=$root/etc/systemd/system
lib=/usr/lib/systemd
[ -d $lib/system ] || lib=/lib/systemd
mkdir -p "$root/usr/bin" "$root/usr/lib/systemd" "$etc" "$scratch/run" "$scratch/config/systemd/user"
cp -a $lib/system "$root/usr/lib/systemd/"
cp "${CARGO_TARGET_DIR:-target}/debug/trainguard" "$root/usr/bin/"
cp systemd/trainguard-patrol* "$etc/"
cp systemd/user/trainguard-patrol* "$scratch/config/systemd/user/"

# A warning is a fault too, and systemd-analyze exits 0 after some of them.
verify() {
    systemd-analyze verify --man=no --recursive-errors=no "$@" \
        trainguard-patrol.service trainguard-patrol.timer \
        trainguard-patrol@gpt.service trainguard-patrol@gpt.timer >"$scratch/said" 2>&1 || echo "exit code $?" >>"$scratch/said"
    cat "$scratch/said"
    [ ! -s "$scratch/said" ]
}
exposure() {
    systemd-analyze security --root="$root" --offline=true --no-pager --threshold="$1" \
        trainguard-patrol.service trainguard-patrol@gpt.service >"$scratch/said" && code=0 || code=$?
    grep 'Overall exposure' "$scratch/said"
    [ "$code" = 0 ] || fail "more than $1 tenths: see systemd-analyze security"
}

say "units: verify"
verify --root="$root"

# A user manager takes no other root, but looks where the environment points.
say "units: verify those of a user"
XDG_RUNTIME_DIR=$scratch/run XDG_CONFIG_HOME=$scratch/config verify --user

say "units: exposure"
exposure $exposure_max

say "units: verify with strict.conf"
for unit in '' @; do
    mkdir "$etc/trainguard-patrol$unit.service.d"
    cp systemd/strict.conf "$etc/trainguard-patrol$unit.service.d/"
done
verify --root="$root"

say "units: exposure with strict.conf"
exposure $exposure_strict_max

say "all passed"
awk '/^test result:/ { passed += $4; failed += $6; skipped += $8 }
    END { printf "%d passed, %d failed, %d skipped\n", passed, failed, skipped }' "$scratch/tests"
