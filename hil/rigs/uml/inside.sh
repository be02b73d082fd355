#!/bin/bash
# What runs below the guest's root: network on loopback, a disk for temporary files, the shared folders, udev with the
# dock's own rules, then the command. Its status and the guest's readiness are files that the host reads. Where the
# guest is to have systemd, that becomes process 1 and calls this file again, to run the command.
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin

at_work() {
    cut -d' ' -f1 /proc/uptime > /run/rig/ready
    /bin/bash /run/rig/command.sh < /dev/null
    echo $? > /run/rig/status
    sync
    echo o > /proc/sysrq-trigger
    sleep 60
}

if [ "$1" = command ]; then
    exec > /dev/tty0 2>&1
    at_work
fi
stty raw -echo < /dev/tty0 2> /dev/null
ip link set lo up
mkdir -p /run/scratch /run/udev/rules.d
mkfs.ext4 -q -F -O ^has_journal -E lazy_itable_init=1,nodiscard /dev/ubda && mount -o noatime /dev/ubda /run/scratch
chmod 1777 /run/scratch
rm -f /etc/udev/rules.d/*hil*  # of the machine that this root belongs to; gone in memory only
cp /run/rig/rules/* /run/udev/rules.d/ 2> /dev/null
while read -r folder; do mkdir -p "$folder"; mount -t hostfs -o "$folder" share "$folder"; done < /run/rig/shares
if [ -e /run/rig/systemd ]; then exec /bin/bash /run/rig/systemd.sh; fi
# as udev's own rule does on a system that was booted in the ordinary way: ask removable disks for their medium
echo 2000 > /sys/module/block/parameters/events_dfl_poll_msecs
/lib/systemd/systemd-udevd --daemon < /dev/null > /dev/null 2>&1
at_work
