# What the maintainer scripts of both formats do. `packaging/build` puts this text at the head of each of them.

SERVICE=shopnode.service
DATA=/var/lib/shopnode
CONFIG=/etc/shopnode

systemd_runs() { [ -d /run/systemd/system ]; }

# The user, the data directory and the link to the configuration. Nothing is enabled, started or founded: whether this
# machine is a new shop or joins one is for its admin to say.
make_room() {
  if command -v systemd-sysusers >/dev/null; then
    systemd-sysusers shopnode.conf
  elif ! getent passwd shopnode >/dev/null; then
    useradd --system --user-group --home-dir "$DATA" --no-create-home --shell /usr/sbin/nologin shopnode
  fi
  if command -v systemd-tmpfiles >/dev/null; then
    systemd-tmpfiles --create shopnode.conf
  else
    mkdir -p "$DATA" && chown shopnode:shopnode "$DATA" && chmod 0700 "$DATA"
    [ -e "$DATA/config.toml" ] || ln -s "$CONFIG/shopnode.toml" "$DATA/config.toml"
  fi
}

after_install() {
  make_room
  if systemd_runs; then systemctl daemon-reload; fi
}

# A node that runs is restarted: it drains, hands over what it leads, and comes back as the new version.
after_upgrade() {
  make_room
  if systemd_runs; then
    systemctl daemon-reload
    systemctl try-restart "$SERVICE"
  fi
}

# What is enabled stays enabled, for the day when the package comes back.
before_removal() {
  if systemd_runs; then systemctl stop "$SERVICE"; fi
}

# The shop's data and the changed configuration stay.
after_removal() {
  if systemd_runs; then systemctl daemon-reload; fi
}

# Everything goes but the user, so that no other gets its number.
after_purge() {
  rm -rf "$DATA" "$CONFIG"
  rm -f "/etc/systemd/system/multi-user.target.wants/$SERVICE"
}
