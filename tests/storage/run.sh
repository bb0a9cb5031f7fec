#!/usr/bin/env bash
# Test exrbatch on real network storage: NFS 3, NFS 4.2 with and without delegations, and SMB 3.1.1.
#
#   bash tests/storage/run.sh [WORKDIR]
#
# For each storage, a Debian kernel boots in QEMU, serves a folder, mounts it over loopback with its own client, and
# promises.py checks on that mount what the README and docs/file-systems.md promise. Nothing on this machine is mounted.
# WORKDIR keeps the guest's images, so that the next run starts sooner, and the results (default: exrbatch-storage in
# the temp folder). CONTRIBUTING.md says what is needed and how long it takes.
#
# Environment:
#   STORAGES   which ones, separated by spaces (default: nfs3 nfs4.2 nfs4.2-no-delegations smb3.1.1)
#   SECONDS_EACH  time limit for each guest (default: 1500; without KVM everything is emulated, and slow)
#
# Exit code: 0 if every promise holds on every storage, 1 if one does not or a guest did not finish.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
checkout=$(cd "$here/../.." && pwd)
work=${1:-${TMPDIR:-/tmp}/exrbatch-storage}
storages=${STORAGES:-nfs3 nfs4.2 nfs4.2-no-delegations smb3.1.1}
limit=${SECONDS_EACH:-1500}
mkdir -p "$work"
work=$(cd "$work" && pwd)

# shellcheck source=tests/storage/guest.sh
. "$here/guest.sh"

# Two runs in one folder would build the same images and mix their results.
exec 8>"$work/lock"
flock -n 8 || die "another run uses $work"

install_tools
build_root
build_site
rm -rf "$work/results"
for storage in $storages; do
  say "$storage: running"
  started=$SECONDS
  run_guest "$storage" "$work/results/$storage" "$limit" || say "$storage: the guest did not finish"
  say "$storage: $((SECONDS - started)) s"
done
# shellcheck disable=SC2086  # the names are words
"$work/venv/bin/python" "$here/table.py" "$work/results" $storages
