#!/usr/bin/env bash
# A hook of mmdebstrap: put the suite's kernel into the new system without installing its package, whose scripts would
# build an initial ramdisk, which the guest does not need.
#   guest_kernel.sh ROOT BUILD   modules go to ROOT, everything to BUILD/kernel
set -euo pipefail
root=$1 build=$2
export APT_CONFIG=$MMDEBSTRAP_APT_CONFIG
package=$(apt-cache depends linux-image-cloud-amd64 | sed -n 's/.*Depends: \(linux-image-[0-9].*\)/\1/p' | head -n 1)
mkdir "$build/deb"
(cd "$build/deb" && apt-get download -qq -o APT::Sandbox::User=root "$package")
dpkg-deb -x "$build"/deb/*.deb "$build/kernel"
cp -a "$build/kernel/lib/modules" "$root/usr/lib/"
chroot "$root" depmod "${package#linux-image-}"
