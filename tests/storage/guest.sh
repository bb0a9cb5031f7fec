# Functions of run.sh that build the guest and run it. To be sourced; needs `work`, `here` and `checkout`.
#
# The guest has three disks that are never written to: its system (kernel modules, servers, client tools, Python), the
# site (exrbatch and its dependencies), and the job (the test's files). A fourth takes the results.

say() { echo "storage: $*" >&2; }
die() { say "$*"; exit 1; }
short_hash() { sha256sum | cut -c1-12; }

packages=kmod,iproute2,samba,nfs-kernel-server,nfs-common,cifs-utils,rpcbind,python3,libstdc++6,libgomp1
suite=bookworm
python_version=3.11 # Debian bookworm's, for which the wheels are chosen

install_tools() {
  need qemu-system-x86_64 qemu-system-x86
  need mmdebstrap mmdebstrap
  need mke2fs e2fsprogs
}

need() { # COMMAND PACKAGE: install the package if there is no such command
  command -v "$1" >/dev/null && return
  say "installing $2"
  { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$2"; } \
    >>"$work/build.log" 2>&1 || true
  command -v "$1" >/dev/null || die "there is no $1, and apt can't install $2; see $work/build.log"
}

make_image() { # FOLDER FILE SPARE: an ext4 image of what the folder holds, with SPARE MiB to write on
  local size
  size=$(($(du -sm "$1" | cut -f1) * 5 / 4 + $3))
  truncate -s "${size}M" "$2.new"
  mke2fs -q -F -t ext4 -d "$1" "$2.new"
  mv "$2.new" "$2"
}

build_root() { # sets `root`: the system, built anew if its packages or init have changed
  root=$work/root-$({ echo "$suite $packages"; cat "$here/guest_init.sh"; } | short_hash).img
  [ -s "$root" ] && return
  say "building the guest's system (some minutes)"
  rm -rf "$work"/root-* "$work/build"
  mkdir -p "$work/build"
  local tree=$work/build/root
  mmdebstrap -q --variant=minbase --include="$packages" \
    --customize-hook="bash '$here/guest_kernel.sh' \"\$1\" '$work/build'" \
    "$suite" "$tree" >>"$work/build.log" 2>&1 || die "mmdebstrap failed: $(tail -n 2 "$work/build.log")"
  cp "$work"/build/kernel/boot/vmlinuz-* "$work/vmlinuz"
  install -m 755 "$here/guest_init.sh" "$tree/init"
  echo guest >"$tree/etc/hostname"
  echo '127.0.0.1 localhost guest' >"$tree/etc/hosts"
  # Names of shares come at run time, from /run/shares.conf.
  cat >"$tree/etc/samba/smb.conf" <<'CONF'
[global]
  workgroup = W
  server role = standalone server
  log file = /var/log/samba/log.%m
  disable spoolss = yes
  load printers = no
  include = /run/shares.conf
CONF
  printf 'pw\npw\n' | chroot "$tree" smbpasswd -s -a root >>"$work/build.log" 2>&1 || die "smbpasswd failed"
  rm -rf "$tree/var/cache/apt" "$tree/var/lib/apt/lists" "$tree/usr/share/doc" "$tree/usr/share/man" \
    "$tree/usr/share/locale"
  make_image "$tree" "$root" 768
  rm -rf "$work/build"
}

build_site() { # sets `site`: this checkout, installed for the guest's Python, which need not be this machine's
  local source=$work/source tree=$work/site platforms=() tag
  rm -rf "$source"
  mkdir -p "$source"
  cp -a "$checkout/exrbatch" "$checkout/pyproject.toml" "$checkout/README.md" "$source" # pip would leave build/ here
  [ -x "$work/venv/bin/pip" ] || python3 -m venv "$work/venv"
  site=$work/site-$(find "$source" -type f -not -name '*.pyc' -print0 | sort -z | xargs -0 cat | short_hash).img
  [ -s "$site" ] && return
  say "installing exrbatch for the guest"
  rm -rf "$work"/site-* "$tree" "$work/wheel"
  "$work/venv/bin/pip" wheel -q --no-deps -w "$work/wheel" "$source" >>"$work/build.log" 2>&1 ||
    die "pip wheel failed; see $work/build.log"
  for tag in manylinux_2_28 manylinux_2_27 manylinux_2_26 manylinux_2_24 manylinux_2_17 manylinux2014 linux; do
    platforms+=(--platform "${tag}_x86_64")
  done
  "$work/venv/bin/pip" install -q --target "$tree" --only-binary=:all: --implementation cp \
    --python-version "$python_version" "${platforms[@]}" "$work"/wheel/*.whl >>"$work/build.log" 2>&1 ||
    die "pip install failed; see $work/build.log"
  make_image "$tree" "$site" 64
  rm -rf "$tree" "$source" "$work/wheel"
}

run_guest() { # STORAGE RESULTS LIMIT: boot, run the promises on that storage, unpack what the guest left in RESULTS
  local run job disks=() number=0 disk code=0
  run=$(mktemp -d "$work/run.XXXXXX")
  job=$run/job
  mkdir -p "$job/tests" "$2"
  cp "$checkout/tests/__init__.py" "$job/tests"
  cp -a "$here" "$job/tests/storage"
  echo "$1" >"$job/storage"
  tar cf "$run/job.tar" --format=posix -C "$job" .
  truncate -s 64M "$run/out.raw"
  for disk in "$root,snapshot=on" "$site,snapshot=on" "$run/job.tar,snapshot=on" "$run/out.raw"; do
    number=$((number + 1))
    disks+=(-drive "file=$disk,format=raw,if=none,cache=unsafe,id=disk$number"
      -device "nvme-ns,drive=disk$number,bus=nvme,nsid=$number")
  done
  TMPDIR=$run timeout -k 5 "$3" qemu-system-x86_64 $(acceleration) -smp 2 -m 2048 \
    -nographic -monitor none -serial "file:$2/console.log" -nic none -no-reboot \
    -device virtio-rng-pci -device nvme,id=nvme,serial=storage "${disks[@]}" -kernel "$work/vmlinuz" \
    -append "root=/dev/nvme0n1 rw console=ttyS0 init=/init quiet loglevel=4 panic=-1 mitigations=off random.trust_cpu=on" \
    </dev/null >"$2/qemu.log" 2>&1 8>&- || code=$?
  tar xf "$run/out.raw" -C "$2" 2>/dev/null || say "$1: the guest left no results"
  rm -rf "$run"
  [ "$code" = 0 ] || say "$1: QEMU ended with $code (124: time limit); see $2/console.log"
  [ "$code" = 0 ] && [ -e "$2/finished" ]
}

acceleration() { # the processor: real if KVM can be used, else emulated
  if [ -w /dev/kvm ] && timeout 5 qemu-system-x86_64 -accel kvm -nodefaults -display none -S -monitor stdio \
    </dev/null >/dev/null 2>&1; then
    echo "-accel kvm -cpu host"
  else
    echo "-accel tcg,thread=multi -cpu max"
  fi
}
