#!/bin/bash
# Installs the agent in a guest that has systemd, as `make install` does on a machine, but from the environment that is
# there instead of an index: interpreter, packages and program come to /opt, where a service may read them wherever the
# checkout lies. `install.sh PYTHON`: the interpreter of the checkout's environment; called in the checkout.
set -euo pipefail
python=$1
{ read -r base; read -r version; read -r packages; } < <("$python" -c 'import sys, sysconfig
print(sys.base_prefix, "python%d.%d" % sys.version_info[:2], sysconfig.get_path("purelib"), sep="\n")')
mkdir -p /opt/python /opt/dockagent/bin "/opt/dockagent/lib/$version/site-packages"
mount --bind "$base" /opt/python
mount --bind "$packages" "/opt/dockagent/lib/$version/site-packages"
rm -rf "/opt/dockagent/lib/$version/site-packages/"{dockagent,*dockagent*.pth}
cp -r dockagent "/opt/dockagent/lib/$version/site-packages/"
cp -r firmware_profiles "/opt/dockagent/lib/$version/site-packages/dockagent/"
printf 'home = /opt/python/bin\ninclude-system-site-packages = false\n' > /opt/dockagent/pyvenv.cfg
ln -s "/opt/python/bin/$version" /opt/dockagent/bin/python
cat > /opt/dockagent/bin/dockagent << 'PROGRAM'
#!/opt/dockagent/bin/python
import sys
from dockagent.cli import main
sys.exit(main())
PROGRAM
chmod 755 /opt/dockagent/bin/dockagent
chmod -R a+rX /opt/dockagent/bin "/opt/dockagent/lib/$version/site-packages/dockagent"
ln -sf /opt/dockagent/bin/dockagent /usr/local/bin/dockagent
install -D -m 644 systemd/dockagent.service /usr/local/lib/systemd/system/dockagent.service
install -D -m 644 systemd/dockagent.sysusers /usr/local/lib/sysusers.d/dockagent.conf
install -D -m 644 systemd/dockagent.tmpfiles /usr/local/lib/tmpfiles.d/dockagent.conf
install -D -m 644 systemd/60-dockagent.rules /usr/local/lib/udev/rules.d/60-dockagent.rules
rm -rf /etc/dockagent /var/lib/dockagent
install -d -m 750 /etc/dockagent
install -m 640 systemd/dockagent.toml /etc/dockagent/dockagent.toml
systemd-sysusers /usr/local/lib/sysusers.d/dockagent.conf
systemd-tmpfiles --create /usr/local/lib/tmpfiles.d/dockagent.conf
chgrp dockagent /etc/dockagent/dockagent.toml
udevadm control --reload
systemctl daemon-reload
