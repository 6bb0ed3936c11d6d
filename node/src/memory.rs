//! How much memory there is for this process: the machine's, or less where its control group says so.

use std::fs;
use std::path::Path;

/// In bytes; `None` where nobody says.
pub fn available_bytes() -> Option<u64> {
    let machine = fs::read_to_string("/proc/meminfo").ok().and_then(|text| of_machine(&text));
    let group = fs::read_to_string("/proc/self/cgroup")
        .ok()
        .and_then(|text| of_group(&text, Path::new("/sys/fs/cgroup")));
    machine.into_iter().chain(group).min()
}

/// `MemTotal` of `/proc/meminfo` (proc_meminfo(5)).
fn of_machine(text: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    line.trim().strip_suffix(" kB")?.parse::<u64>().ok()?.checked_mul(1024)
}

/// `memory.max` of the group and of those that it is in (cgroups(7), version 2). In a container the whole tree begins with
/// its own group.
fn of_group(text: &str, tree: &Path) -> Option<u64> {
    let own = text.lines().find_map(|line| line.strip_prefix("0::/"))?;
    let groups = Path::new(own).ancestors().map(|group| tree.join(group).join("memory.max"));
    groups.filter_map(|file| fs::read_to_string(file).ok()?.trim().parse().ok()).min()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::{available_bytes, of_group, of_machine};

    #[test]
    fn it_is_the_machine_s_or_what_a_group_leaves_of_it() {
        assert_eq!(of_machine("MemTotal:       16384 kB\nMemFree:  1 kB\n"), Some(16 << 20));
        assert_eq!((of_machine("MemFree: 1 kB\n"), of_machine("MemTotal: many kB\n")), (None, None));

        let tree = tempfile::tempdir().unwrap();
        fs::create_dir_all(tree.path().join("shop/node")).unwrap();
        let set =
            |group: &str, max: &str| fs::write(tree.path().join(group).join("memory.max"), max).unwrap();
        set("shop", "3000\n");
        set("shop/node", "max\n");
        assert_eq!(of_group("0::/shop/node\n", tree.path()), Some(3000));
        set("shop/node", "2000\n");
        assert_eq!(of_group("1:cpu:/\n0::/shop/node\n", tree.path()), Some(2000));
        assert_eq!(of_group("0::/elsewhere\n", tree.path()), None);
        // Here there is some.
        assert!(available_bytes().unwrap() > 64 << 20);
    }
}
