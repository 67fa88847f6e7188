//! Processes as the kernel shows them: found by their mark, waited for by pidfd, signalled without hitting another's.

use std::fmt;
use std::os::fd::OwnedFd;
use std::str::FromStr;
use std::time::{Duration, Instant};

use rustix::process::{Pid, PidfdFlags, Signal, kill_process, kill_process_group, pidfd_open};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// The variable with gateway, cluster and role, colons between.
pub(super) const MARK: &str = "SELION_GATEWAY_PROCESS";

/// Process id and start time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Handle {
    pub(super) pid: i32,
    pub(super) ticks: u64,
}

impl fmt::Display for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.pid, self.ticks)
    }
}

impl FromStr for Handle {
    type Err = ();

    fn from_str(text: &str) -> Result<Handle, ()> {
        let (pid, ticks) = text.split_once('@').ok_or(())?;
        Ok(Handle { pid: pid.parse().map_err(drop)?, ticks: ticks.parse().map_err(drop)? })
    }
}

impl Handle {
    fn is_alive(self) -> bool {
        stat(self.pid).is_some_and(|stat| stat.ticks == self.ticks && !stat.is_dead)
    }

    /// Signals the process and its group, if it is still the one that was meant.
    pub(super) fn signal_group(self, signal: Signal) {
        if self.is_alive()
            && let Some(pid) = Pid::from_raw(self.pid)
        {
            let _ = kill_process_group(pid, signal);
        }
    }
}

struct Stat {
    ticks: u64,
    group: i32,
    is_dead: bool,
}

/// What `/proc` says of a process.
fn stat(pid: i32) -> Option<Stat> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name, in parentheses, may hold anything; after it come state, parent, group, …
    let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
    Some(Stat {
        is_dead: matches!(*fields.first()?, "Z" | "X"),
        group: fields.get(2)?.parse().ok()?,
        ticks: fields.get(19)?.parse().ok()?,
    })
}

pub(super) fn handle_of(pid: i32) -> Option<Handle> {
    stat(pid).map(|stat| Handle { pid, ticks: stat.ticks })
}

/// Resolves when the process has ended.
pub(super) async fn wait(handle: Handle) {
    let Some(pid) = Pid::from_raw(handle.pid) else { return };
    let Ok(fd) = pidfd_open(pid, PidfdFlags::NONBLOCK) else { return };
    // Now that the number is held, it must still be the one that was meant.
    if !handle.is_alive() {
        return;
    }
    #[expect(deprecated, reason = "its successor is unsafe; an OwnedFd is closed by its drop only, as is asked for")]
    let registered = AsyncFd::<OwnedFd>::with_interest(fd, Interest::READABLE);
    if let Ok(fd) = registered {
        let _ = fd.readable().await;
    }
}

/// All processes whose mark begins with `prefix`: the rest of the mark, the process, whether it leads its group.
fn marked(prefix: &str) -> Vec<(String, Handle, bool)> {
    let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
    let wanted = format!("{MARK}={prefix}");
    entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<i32>().ok())
        .filter_map(|pid| {
            let environ = std::fs::read(format!("/proc/{pid}/environ")).ok()?;
            let mark = environ.split(|byte| *byte == 0).find_map(|line| line.strip_prefix(wanted.as_bytes()))?;
            let stat = stat(pid).filter(|stat| !stat.is_dead)?;
            Some((String::from_utf8_lossy(mark).into_owned(), Handle { pid, ticks: stat.ticks }, stat.group == pid))
        })
        .collect()
}

/// Per mark that begins with `prefix`, the oldest process that leads a group; without one, the oldest of all.
pub(super) async fn leaders(prefix: String) -> Vec<(String, Handle)> {
    let found = tokio::task::spawn_blocking(move || {
        let mut found = marked(&prefix);
        found.sort_by(|a, b| (&a.0, !a.2, a.1.ticks, a.1.pid).cmp(&(&b.0, !b.2, b.1.ticks, b.1.pid)));
        found.dedup_by(|later, first| later.0 == first.0);
        found
    });
    found.await.unwrap_or_default().into_iter().map(|(mark, handle, _)| (mark, handle)).collect()
}

/// How long the kernel may take to show a new process's environment, or to bury a killed one.
const KERNEL_TIMEOUT: Duration = Duration::from_secs(5);
const KERNEL_PAUSE: Duration = Duration::from_millis(1);

/// Blocks until a process that was just started can be found by its mark, or has ended: its environment is visible a moment
/// after its program was loaded.
pub(super) fn wait_for_mark(handle: Handle) {
    let begin = Instant::now();
    let is_visible = || std::fs::read(format!("/proc/{}/environ", handle.pid)).is_ok_and(|text| !text.is_empty());
    while handle.is_alive() && !is_visible() && begin.elapsed() < KERNEL_TIMEOUT {
        std::thread::sleep(KERNEL_PAUSE);
    }
}

/// Kills everything that carries exactly this mark; resolves when it is gone.
pub(super) async fn kill_marked(mark: String) {
    let kill = move || {
        let begin = Instant::now();
        loop {
            let left: Vec<Handle> =
                marked(&mark).into_iter().filter(|(rest, _, _)| rest.is_empty()).map(|(_, handle, _)| handle).collect();
            if left.is_empty() || begin.elapsed() > KERNEL_TIMEOUT {
                return;
            }
            for pid in left.iter().filter_map(|handle| Pid::from_raw(handle.pid)) {
                let _ = kill_process(pid, Signal::KILL);
            }
            std::thread::sleep(KERNEL_PAUSE);
        }
    };
    let _ = tokio::task::spawn_blocking(kill).await;
}
