#!/bin/bash
# Process 1 of the guest. Its root is the host's, read-only; over it lies a file system in memory, so that everything
# can be written and nothing is changed. The kernel hands WORK (a host folder of this run) over as a variable.
exec > /dev/tty0 2>&1
mount -t proc proc /proc
mount -t tmpfs -o size=60% layer /mnt
mkdir -p /mnt/upper /mnt/work /mnt/root
mount -t overlay -o lowerdir=/,upperdir=/mnt/upper,workdir=/mnt/work over /mnt/root || echo "rig: no overlay"
cd /mnt/root || exit 1
mkdir -p proc sys dev run
mount -t devtmpfs dev dev
mount -t sysfs sys sys
mount -t proc proc proc
mount -t tmpfs run run
mkdir -p dev/pts dev/shm run/rig
mount -t devpts pts dev/pts
mount -t tmpfs shm dev/shm
mount -t debugfs debug sys/kernel/debug
mount -t configfs config sys/kernel/config
mount -t cgroup2 cgroup sys/fs/cgroup
mount -t hostfs -o "$WORK" work run/rig
exec chroot . /bin/bash /run/rig/inside.sh
