"""The storage test: exrbatch on the kernel's real NFS and SMB clients, in QEMU.

It is started by hand with `run.sh`.
"""
