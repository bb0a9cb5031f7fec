#!/bin/bash
# Runs in the guest: start the servers, mount the storage that /job/storage names, and check the promises there.
set -u
storage=$(cat /job/storage)
served=/srv/$storage  # the server's folder
mount=/mnt/$storage   # the same through the client
mkdir -p "$served" "$mount"
ip link set lo up

serve_nfs() {
  modprobe nfsd
  mkdir -p /run/rpcbind /var/lib/nfs/rpc_pipefs
  mount -t nfsd nfsd /proc/fs/nfsd
  sysctl -q fs.nfs.nlm_timeout=3 fs.nfs.nlm_grace_period=1
  rpcbind -w
  rpc.statd --no-notify
  echo '/srv *(rw,no_root_squash,no_subtree_check,sync)' >/etc/exports
  exportfs -a
  rpc.nfsd 4
  rpc.mountd
  echo Y >/proc/fs/nfsd/v4_end_grace # nobody has locks from before the boot to reclaim
}

serve_smb() {
  local try
  mkdir -p /run/samba
  printf '[%s]\n  path = %s\n  read only = no\n' "$storage" "$served" >/run/shares.conf
  smbd -D
  for try in $(seq 120); do # until it listens
    (: </dev/tcp/localhost/445) 2>/dev/null && return
    sleep 1
  done
  echo "smbd does not listen after $try s"
  return 1
}

mount_storage() {
  case $storage in
    nfs3) serve_nfs && mount -t nfs -o vers=3 "localhost:$served" "$mount" ;;
    nfs4.2) serve_nfs && mount -t nfs -o vers=4.2 "localhost:$served" "$mount" ;;
    nfs4.2-no-delegations) # the server's delegations are leases of its kernel
      echo 0 >/proc/sys/fs/leases-enable
      serve_nfs && mount -t nfs -o vers=4.2 "localhost:$served" "$mount" ;;
    smb3.1.1) serve_smb && mount -t cifs -o vers=3.1.1,username=root,password=pw "//localhost/$storage" "$mount" ;;
    *) echo "there is no storage $storage" && return 1 ;;
  esac
}

mount_storage || exit 1
{
  echo "kernel $(uname -r)"
  smbd --version | sed 's/^Version/Samba/'
  python3 -c 'import exrbatch, importlib.metadata as m; print("exrbatch", exrbatch.__version__ + ", OpenEXR", m.version("OpenEXR"))'
  echo "mounted: $(grep " $mount " /proc/mounts)"
} >/out/versions
cd /job && python3 -m tests.storage.promises "$storage" "$served" "$mount" /out && touch /out/finished
