"""The storage test: exrbatch on the kernel's real NFS and SMB clients, in QEMU. Started by hand: `run.sh`."""
