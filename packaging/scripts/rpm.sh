# When rpm calls which scriptlet: $1 is how many versions of the package will be there afterwards. rpm has no purge:
# data and changed configuration stay. `packaging/build` cuts this at the lines that name the scriptlets.

#: post
if [ "$1" -eq 1 ]; then after_install; else after_upgrade; fi
#: preun
if [ "$1" -eq 0 ]; then before_removal; fi
#: postun
if [ "$1" -eq 0 ]; then after_removal; fi
