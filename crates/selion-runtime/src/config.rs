//! How much of the machine to use.
//!
//! The machine's memory is the least of what the kernel reports and of every cgroup limit that holds for this process,
//! since a container is killed by its own limit and not by the machine's. Version 2 limits apply from each group up to
//! the root; version 1 has one file. What cannot be read counts as no limit.

use std::path::{Path, PathBuf};

/// Share of the machine's memory that values may take, in percent: the rest is for the interpreter, for memory that is
/// freed but not yet returned, and for the page cache through which storage is read.
const BUDGET_PERCENT: u64 = 60;

/// How much of the machine to use.
///
/// ```
/// use selion_runtime::{Config, Threads};
/// let threads = Threads::new(Config { threads: 2, memory_limit: Some(64 << 20), ..Config::default() });
/// assert_eq!(threads.memory_limit(), 64 << 20);
/// ```
#[derive(Clone, Debug)]
pub struct Config {
    /// Tasks that may run at once; at least 1.
    pub threads: usize,
    /// Bytes that the values of running graphs may take before the rest goes to disk; `None` for 60 % of
    /// [`machine_memory_bytes`].
    pub memory_limit: Option<u64>,
    /// Where values go that do not fit. `None` for the system's folder for temporary files, or `/var/tmp` where that
    /// folder is itself in memory.
    pub spill_dir: Option<PathBuf>,
}

impl Default for Config {
    /// One thread per core, and the default limit and folder.
    fn default() -> Self {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        Config { threads, memory_limit: None, spill_dir: None }
    }
}

impl Config {
    /// The limit in bytes.
    pub(crate) fn budget_bytes(&self) -> u64 {
        self.memory_limit.unwrap_or_else(|| match machine_memory_bytes() {
            Some(bytes) => bytes / 100 * BUDGET_PERCENT,
            None => u64::MAX,
        })
    }

    /// The same with the defaults filled in: at least one thread, and a folder.
    pub(crate) fn resolved(self) -> (Self, PathBuf) {
        let parent = self.spill_dir.clone().unwrap_or_else(temporary_folder);
        (Config { threads: self.threads.max(1), ..self }, parent)
    }
}

/// The folder for temporary files, unless nobody chose it and what is written there stays in memory.
fn temporary_folder() -> PathBuf {
    let (chosen, disk) = (std::env::temp_dir(), Path::new("/var/tmp"));
    let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    let in_memory = |path: &Path| matches!(file_system(&mounts, path), Some("tmpfs" | "ramfs"));
    if std::env::var_os("TMPDIR").is_none() && in_memory(&chosen) && disk.is_dir() && !in_memory(disk) {
        return disk.to_owned();
    }
    chosen
}

/// The type of the file system that holds `path`, by the lines of `/proc/self/mounts`; a later line hides earlier ones.
fn file_system<'a>(mounts: &'a str, path: &Path) -> Option<&'a str> {
    let fields = mounts.lines().filter_map(|line| {
        let mut fields = line.split(' ').skip(1);
        Some((Path::new(fields.next()?), fields.next()?))
    });
    let holding = fields.filter(|(at, _)| path.starts_with(at));
    holding.max_by_key(|(at, _)| at.as_os_str().len()).map(|(_, kind)| kind)
}

/// The memory that this process can have, in bytes: the machine's, or its cgroup's where that is less.
///
/// `None` where the system does not say.
///
/// ```
/// let limit = selion_runtime::Threads::default().memory_limit();
/// assert!(selion_runtime::machine_memory_bytes().is_none_or(|bytes| limit < bytes));
/// ```
pub fn machine_memory_bytes() -> Option<u64> {
    let read = |path: &Path| std::fs::read_to_string(path).ok();
    let machine = read(Path::new("/proc/meminfo")).and_then(|text| meminfo_total(&text));
    let groups = read(Path::new("/proc/self/cgroup")).unwrap_or_default();
    let limits = limit_files(&groups).into_iter().filter_map(|path| parse_limit(&read(&path)?));
    machine.into_iter().chain(limits).min()
}

/// `MemTotal`, which is in KiB.
fn meminfo_total(text: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kib| kib << 10)
}

/// A number of bytes; `max`, and version 1's huge number for "none", are no limit.
fn parse_limit(text: &str) -> Option<u64> {
    text.trim().parse::<u64>().ok().filter(|bytes| *bytes < 1 << 60)
}

/// The files that may limit a process whose `/proc/self/cgroup` is `groups`.
///
/// In a container the path may be the host's while the mount shows only the container's own group, so the roots are
/// always among them.
fn limit_files(groups: &str) -> Vec<PathBuf> {
    let (unified, memory) = (Path::new("/sys/fs/cgroup"), Path::new("/sys/fs/cgroup/memory"));
    let mut files = vec![unified.join("memory.max"), memory.join("memory.limit_in_bytes")];
    for line in groups.lines() {
        let mut fields = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (fields.next(), fields.next()) else { continue };
        let (root, name) = match controllers {
            "" => (unified, "memory.max"),
            _ if controllers.split(',').any(|controller| controller == "memory") => (memory, "memory.limit_in_bytes"),
            _ => continue,
        };
        let own = Path::new(path.trim_start_matches('/'));
        files.extend(own.ancestors().filter(|group| *group != Path::new("")).map(|group| root.join(group).join(name)));
    }
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn meminfo_is_in_kib() {
        assert_eq!(meminfo_total("MemTotal:       24683520 kB\nMemFree: 1 kB\n"), Some(24683520 << 10));
        assert_eq!(meminfo_total("garbage"), None);
    }

    #[test]
    fn the_innermost_mount_holds_a_path() {
        let mounts = "/dev/vda / ext4 rw 0 0\ntmpfs /tmp tmpfs rw 0 0\n/dev/vdb /tmp/disk xfs rw 0 0\n";
        assert_eq!(file_system(mounts, Path::new("/tmp/a")), Some("tmpfs"));
        assert_eq!(file_system(mounts, Path::new("/tmp/disk/a")), Some("xfs"));
        assert_eq!(file_system(mounts, Path::new("/tmpfoo")), Some("ext4"));
        assert_eq!(file_system("", Path::new("/tmp")), None);
    }

    #[test]
    fn no_limit_is_no_limit() {
        assert_eq!(parse_limit("max\n"), None);
        assert_eq!(parse_limit("9223372036854771712\n"), None);
        assert_eq!(parse_limit("536870912\n"), Some(512 << 20));
    }

    #[test]
    fn a_version_2_group_is_limited_by_its_ancestors_too() {
        let files = limit_files("0::/user.slice/job.scope\n");
        assert!(files.contains(&PathBuf::from("/sys/fs/cgroup/user.slice/job.scope/memory.max")));
        assert!(files.contains(&PathBuf::from("/sys/fs/cgroup/user.slice/memory.max")));
        assert!(files.contains(&PathBuf::from("/sys/fs/cgroup/memory.max")));
    }

    #[test]
    fn a_version_1_group_has_its_memory_controller() {
        let files = limit_files("4:memory:/docker/abc\n3:cpu,cpuacct:/docker/abc\n");
        assert!(files.contains(&PathBuf::from("/sys/fs/cgroup/memory/docker/abc/memory.limit_in_bytes")));
        assert_eq!(files.len(), 4);
    }
}
