#!/bin/bash
# What runs below the guest's root: network on loopback, udev with the dock's own rules, a disk for temporary files, the
# shared folders, then the command. Its status and the guest's readiness are files that the host reads.
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
stty raw -echo < /dev/tty0 2> /dev/null
ip link set lo up
mkdir -p /run/scratch /run/udev/rules.d
mkfs.ext4 -q -F -O ^has_journal -E lazy_itable_init=1,nodiscard /dev/ubda && mount -o noatime /dev/ubda /run/scratch
chmod 1777 /run/scratch
rm -f /etc/udev/rules.d/*hil*  # of the machine that this root belongs to; gone in memory only
cp /run/work/rules/* /run/udev/rules.d/ 2> /dev/null
/lib/systemd/systemd-udevd --daemon < /dev/null > /dev/null 2>&1
while read -r folder; do mkdir -p "$folder"; mount -t hostfs -o "$folder" share "$folder"; done < /run/work/shares
cut -d' ' -f1 /proc/uptime > /run/work/ready
/bin/bash /run/work/command.sh < /dev/null
echo $? > /run/work/status
sync
echo o > /proc/sysrq-trigger
sleep 60
