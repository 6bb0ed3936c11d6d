# When dpkg calls which script, with which arguments: Debian Policy 6.5. `packaging/build` cuts this at the lines that
# name the scripts.

#: postinst
if [ "$1" = configure ]; then
  if [ -z "${2:-}" ]; then after_install; else after_upgrade; fi
fi
#: prerm
if [ "$1" = remove ]; then before_removal; fi
#: postrm
case "$1" in
  remove) after_removal ;;
  purge) after_purge; after_removal ;;
esac
