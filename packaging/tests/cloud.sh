#!/bin/bash
# The example for cloud-init on a machine of its own, by the real program, with the package from a file.
set -euo pipefail
for command in 'link set lo up' 'address add 10.0.0.11/32 dev lo'; do ip $command; done
seed=/var/lib/cloud/seed/nocloud
mkdir -p $seed
echo 'instance-id: node1' >$seed/meta-data
printf 'datasource_list: [NoCloud]\n' >/etc/cloud/cloud.cfg.d/99-try.cfg
package=$(echo /given/1/*.deb)
sed "s#https://packages.example/shopnode.deb#file://$package#" /given/cloud-init.yaml >$seed/user-data
grep -q "file://$package" $seed/user-data

cloud-init init --local >/dev/null 2>&1
cloud-init init >/dev/null 2>&1
for module in write_files runcmd scripts_user; do cloud-init single --frequency always --name $module; done

systemctl is-active shopnode
systemctl is-enabled shopnode
grep -q 'zone = "rack-1"' /etc/shopnode/shopnode.toml
[ "$(stat -c %a /root/shopnode-admin.key)" = 600 ]
grep -o 'sk_[A-Za-z0-9_-]*' /root/shopnode-admin.key >/root/key && chmod 600 /root/key
shopctl --server http://10.0.0.11:8080 --token-file /root/key status | grep rack-1
# Run again, as at the next boot: it finds the node and leaves it alone.
/root/set-up-shopnode
shopctl --server http://10.0.0.11:8080 --token-file /root/key status | grep rack-1
