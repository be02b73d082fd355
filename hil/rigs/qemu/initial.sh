#!/bin/sh
# Process 1 of the guest's initial file system: the modules for its disk, then the real root.
mount -t devtmpfs dev /dev
mount -t proc proc /proc
mount -t sysfs sys /sys
while read -r module; do insmod "/m/$module"; done < /order
count=0
while [ ! -b /dev/vda ] && [ $count -lt 100 ]; do sleep 0.1; count=$((count + 1)); done
mount -t ext4 -o rw,noatime /dev/vda /new || exec sh
for tree in dev proc sys; do mount -o move /$tree /new/$tree; done
exec switch_root /new /sbin/init
