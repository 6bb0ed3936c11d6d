#!/bin/bash
# The life of a package on one machine: installed, set up, served, hurt, upgraded, removed, back, purged.
# Runs as root in a machine of its own (see `machine`), with the packages in /given/1 (old) and /given/2 (new).
#
#   life.sh deb|rpm
set -euo pipefail
format=$1
DATA=/var/lib/shopnode CONFIG=/etc/shopnode/shopnode.toml

step() { printf -- '-- %s: %s\n' "$format" "$*"; }
fail() {
  printf 'FAILED: %s\n' "$*"
  journalctl --no-pager -o cat -u shopnode | tail -30
  exit 1
}
trap 'fail "the command in line $LINENO"' ERR
is() { [ "$2" = "$3" ] || fail "$1 is '$2', not '$3'"; }
mode() { stat -c '%a %U:%G' "$1"; }
property() { systemctl show --value -p "$1" shopnode.service; }
main_pid() { property MainPID; }
shop() { shopctl --server "http://127.0.0.1:$port" --token-file /root/admin.key "$@"; }
wait_for() { # WHAT COMMAND...: for at most 30 seconds
  local what=$1
  shift
  for _ in $(seq 300); do
    if "$@" >/dev/null 2>&1; then return; fi
    sleep 0.1
  done
  fail "waited in vain for $what"
}
restarted_from() { [ "$(main_pid)" != "$1" ] && [ "$(main_pid)" != 0 ] && systemctl -q is-active shopnode; }
answers() { shop status; }
has_goods() { shop stock get MUG | grep -q ' 12 '; }

case $format in
  deb)
    install() { dpkg -i /given/1/*.deb; }
    upgrade() { dpkg -i /given/2/*.deb; }
    remove() { dpkg -r shopnode; }
    ;;
  rpm)
    # This system's own packages are dpkg's, so rpm knows of nothing that could meet a dependency.
    rpm=(rpm --force-debian --nodeps --dbpath /var/lib/rpm-try)
    rpm --dbpath /var/lib/rpm-try --initdb
    install() { "${rpm[@]}" -i /given/1/*.rpm; }
    upgrade() { "${rpm[@]}" -U --force /given/2/*.rpm; }
    remove() { "${rpm[@]}" -e shopnode; }
    ;;
esac

step 'installing enables, starts and founds nothing'
install
is 'the user' "$(id -un shopnode)" shopnode
is "the user's shell" "$(getent passwd shopnode | cut -d: -f7)" /usr/sbin/nologin
is 'the data directory' "$(mode $DATA)" '700 shopnode:shopnode'
is 'the configuration' "$(mode $CONFIG)" '644 root:root'
is 'what is in the data directory' "$(ls $DATA)" config.toml
is 'the link to the configuration' "$(readlink $DATA/config.toml)" $CONFIG
is 'enabled' "$(systemctl is-enabled shopnode || :)" disabled
is 'active' "$(systemctl is-active shopnode || :)" inactive
for program in shopnode shopctl; do
  is "$program" "$(mode /usr/bin/$program)" '755 root:root'
  bash -n "/usr/share/bash-completion/completions/$program"
done
for page in shopnode.8 shopnode-init.8 shopctl.1 shopctl-order-list.1; do
  zcat "/usr/share/man/man${page##*.}/$page.gz" | grep -q '^\.TH' || fail "no page $page"
done

step 'the unit is one that systemd understands, and hardened'
systemd-analyze verify /usr/lib/systemd/system/shopnode.service
systemd-analyze security --no-pager --threshold=20 shopnode.service | tail -1

step 'without a node it does not start, and says why'
if systemctl start shopnode 2>/tmp/said; then fail 'it starts without a node'; fi
grep -qi assertion /tmp/said || fail "it says: $(cat /tmp/said)"

step 'a shop is founded where the service looks for it'
port=8080
sed -i 's/^profile = "lan"/profile = "fast"/' $CONFIG
(umask 077 && runuser -u shopnode -- shopnode init --data $DATA | grep -o 'sk_[A-Za-z0-9_-]*' >/root/admin.key)
is 'the link to the configuration' "$(readlink $DATA/config.toml)" $CONFIG
systemctl enable --now shopnode
is 'active' "$(systemctl is-active shopnode)" active
grep -q '^node .* serves' <<<"$(property StatusText)" || fail "its status is '$(property StatusText)'"
wait_for 'an answer' answers
printf 'Handle,Title,Variant SKU,Variant Inventory Qty,Variant Price,Status\nmug,Mug,MUG,12,9.90,active\n' >/tmp/goods.csv
shop product import /tmp/goods.csv
has_goods || fail 'the goods are missing'

step 'the process may do what it needs and no more'
status=/proc/$(main_pid)/status
is 'its user' "$(stat -c %U "/proc/$(main_pid)")" shopnode
is 'NoNewPrivs' "$(awk '/^NoNewPrivs/ { print $2 }' "$status")" 1
is 'Seccomp' "$(awk '/^Seccomp:/ { print $2 }' "$status")" 2
is 'its capabilities' "$(awk '/^CapBnd/ { print $2 }' "$status")" 0000000000000000
# A machine whose own limit is lower, and cannot be raised, gives what it has.
limit() { awk '/^Max open files/ { print $5 }' "/proc/$1/limits"; }
most=$(limit 1)
is 'its open files' "$(limit "$(main_pid)")" "$((most < 65536 ? most : 65536))"
if nsenter -t "$(main_pid)" -m sh -c 'touch /etc/shopnode/x' 2>/dev/null; then fail '/etc can be written'; fi
nsenter -t "$(main_pid)" -m sh -c "touch $DATA/x && rm $DATA/x"

step 'killed, it is back; frozen, the watchdog sees it'
pid=$(main_pid)
kill -9 "$pid"
wait_for 'the killed service' restarted_from "$pid"
mkdir -p /etc/systemd/system/shopnode.service.d
printf '[Service]\nWatchdogSec=2\nTimeoutAbortSec=1\n' >/etc/systemd/system/shopnode.service.d/watchdog.conf
systemctl daemon-reload
systemctl restart shopnode
pid=$(main_pid)
sleep 5
is 'the process while it gives signs of life' "$(main_pid)" "$pid"
kill -STOP "$pid"
wait_for 'the frozen service' restarted_from "$pid"
journalctl --no-pager -o cat -u shopnode | grep -q 'Watchdog timeout' || fail 'the watchdog had no part in it'
rm -r /etc/systemd/system/shopnode.service.d
systemctl daemon-reload
has_goods || fail 'the goods are missing'

step 'an upgrade keeps configuration and data, and restarts gracefully'
sed -i 's/^listen = "127.0.0.1:8080"/listen = "127.0.0.1:8088"/' $CONFIG
before=$(sha256sum <$CONFIG)
pid=$(main_pid) port=8088
ended() { journalctl --no-pager -o cat -u shopnode | grep -c '"ended"'; }
ends=$(ended)
upgrade
is 'the configuration' "$(sha256sum <$CONFIG)" "$before"
is 'enabled' "$(systemctl is-enabled shopnode)" enabled
restarted_from "$pid" || fail 'it runs the old version'
is 'how often it has ended cleanly' "$(ended)" "$((ends + 1))"
wait_for 'an answer where the changed configuration says' answers
has_goods || fail 'the goods are missing'

step 'a removal keeps configuration and data'
remove
is 'active' "$(systemctl is-active shopnode || :)" inactive
for gone in /usr/bin/shopnode /usr/bin/shopctl /usr/lib/systemd/system/shopnode.service; do
  [ ! -e $gone ] || fail "$gone is still there"
done
[ -e $DATA/FORMAT ] || fail 'the data is gone'
kept=$CONFIG
if [ ! -e $kept ]; then kept=$CONFIG.rpmsave; fi
is 'the configuration' "$(sha256sum <$kept)" "$before"

step 'installed again, it goes on'
if [ $kept != $CONFIG ]; then mkdir -p /etc/shopnode && mv $kept $CONFIG; fi
install
systemctl start shopnode
wait_for 'an answer' answers
has_goods || fail 'the goods are missing'

if [ "$format" = deb ]; then
  step 'a purge leaves the user and nothing else'
  dpkg -P shopnode
  for gone in $DATA /etc/shopnode /etc/systemd/system/multi-user.target.wants/shopnode.service; do
    [ ! -e $gone ] && [ ! -L $gone ] || fail "$gone is still there"
  done
  getent passwd shopnode >/dev/null || fail 'the user is gone'
fi
step 'all is well'
