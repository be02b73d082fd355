#!/bin/bash
# Inside the guest: a view in which the root is the host's (read-only, under an overlay in memory) while devices, udev and
# the kernel are the guest's. $1: the shared folder, the same in the view as on the host; empty for none.
set -e
share=$1
mkdir -p /mnt/host /mnt/layer
mount -t 9p -o trans=virtio,version=9p2000.L,msize=512000,ro,cache=loose host /mnt/host
mount -t tmpfs -o size=60% layer /mnt/layer
mkdir -p /mnt/layer/upper /mnt/layer/work /mnt/view
mount -t overlay -o lowerdir=/mnt/host,upperdir=/mnt/layer/upper,workdir=/mnt/layer/work over /mnt/view
cd /mnt/view
mkdir -p proc sys dev run tmp
for tree in proc sys dev run; do mount --rbind "/$tree" "$tree"; done
mount -t configfs config sys/kernel/config 2> /dev/null || true
mkdir -p /run/scratch && mount -t tmpfs -o size=40% scratch /run/scratch && chmod 1777 /run/scratch
if [ -n "$share" ]; then
    mkdir -p "/mnt/view$share"
    mount -t 9p -o trans=virtio,version=9p2000.L,msize=512000,access=any share "/mnt/view$share"
fi
