//! How many workers there should be, as a function: what is known goes in, what to do comes out, with the reason.
//!
//! Whoever starts workers calls [`decide`] every second or so, keeps the [`Memory`] that it gives back for the next
//! call, and does what it says. A worker is never ended, only retired: what it holds alone is moved before.

use std::collections::BTreeMap;

use crate::{Micros, WorkerId};

/// What may be set.
#[derive(Clone, Debug, PartialEq)]
pub struct Policy {
    /// Fewest workers.
    pub minimum: u32,
    /// Most workers.
    pub maximum: u32,
    /// Microseconds in which what is to be done should be done.
    pub target: Micros,
    /// How many times in a row a worker must have been found to be spare before it is retired.
    pub wait_count: u32,
    /// Microseconds that a worker is taken to need to come, before one has come.
    pub start: Micros,
    /// Threads of a worker, before one has come.
    pub nthreads: u32,
}

impl Default for Policy {
    fn default() -> Self {
        let maximum = u32::MAX;
        Policy { minimum: 0, maximum, target: 5_000_000, wait_count: 3, start: 1_000_000, nthreads: 1 }
    }
}

/// One worker, as far as it matters here: see [`Scheduler::members`](crate::Scheduler::members).
#[derive(Clone, Debug, PartialEq)]
pub struct Member {
    /// Which.
    pub id: WorkerId,
    /// How many tasks run on it at once.
    pub nthreads: u32,
    /// How many tasks it has.
    pub processing: usize,
    /// Bytes of the values it holds.
    pub held_bytes: u64,
    /// How many bytes it may use; 0 for no limit.
    pub memory_limit: u64,
    /// Whether it alone holds something that is needed.
    pub holds_alone: bool,
    /// Whether it is about to leave.
    pub retiring: bool,
}

/// How things are.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Situation {
    /// The time.
    pub now: Micros,
    /// Tasks that could run, or do.
    pub runnable: usize,
    /// Tasks that will be able to run.
    pub waiting: usize,
    /// Microseconds of all that is to be done, on one thread.
    pub work: Micros,
    /// The workers there are.
    pub members: Vec<Member>,
    /// Workers that were asked for and have not come.
    pub pending: u32,
    /// How long those took that came since the last time.
    pub came_after: Vec<Micros>,
    /// Requests for workers that have failed since the last time.
    pub failed: u32,
}

/// What was seen before.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Memory {
    /// How long workers take to come.
    start: Option<Micros>,
    /// How many requests in a row have failed, and when the last did.
    failures: (u32, Micros),
    /// Workers that were spare the last times, and how many times.
    spare: BTreeMap<WorkerId, (u32, Micros)>,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq)]
pub enum Decision {
    /// All is well.
    Stay,
    /// So many more are to be started.
    Start(u32, String),
    /// So many of those that were asked for and have not come are not needed.
    Withdraw(u32, String),
    /// These are to be retired: they end when what they hold is elsewhere.
    Retire(Vec<WorkerId>, String),
}

/// The parts of its memory that a cluster may fill with values before it is worth having more of it.
const FULL: f64 = 0.6;
/// How full the rest may be when a worker is let go: less, or it would be missed at once.
const FULL_AFTER: f64 = 0.4;
/// The longest pause after requests that failed. Microseconds.
const LONGEST_PAUSE: Micros = 60_000_000;

/// What to do now, and what to remember until the next time.
///
/// ```
/// use selion_scheduler::adaptive::{Decision, Memory, Policy, Situation, decide};
///
/// let situation = Situation { runnable: 60, work: 12_000_000, ..Situation::default() };
/// let (_, decision) = decide(&Policy { maximum: 10, ..Policy::default() }, &Memory::default(), &situation);
/// assert!(matches!(decision, Decision::Start(3, _))); // 12 s of work are done by three within five
/// ```
pub fn decide(policy: &Policy, memory: &Memory, situation: &Situation) -> (Memory, Decision) {
    let mut memory = memory.clone();
    for took in &situation.came_after {
        memory.start = Some(memory.start.map_or(*took, |before| (before + took) / 2));
    }
    if situation.failed > 0 {
        memory.failures = (memory.failures.0.saturating_add(situation.failed), situation.now);
    } else if !situation.came_after.is_empty() {
        memory.failures = (0, 0);
    }
    let there: Vec<&Member> = situation.members.iter().filter(|member| !member.retiring).collect();
    let present = there.len() as u32;
    let have = present + situation.pending;
    let start = memory.start.unwrap_or(policy.start);
    let (wanted, reason) = wanted(policy, situation, &there, start);

    if wanted > have {
        memory.spare.clear();
        let pause = 1_000_000u64.saturating_mul(1 << memory.failures.0.min(10)).min(LONGEST_PAUSE);
        if memory.failures.0 > 0 && situation.now < memory.failures.1.saturating_add(pause) {
            return (memory, Decision::Stay);
        }
        return (memory, Decision::Start(wanted - have, reason));
    }
    if wanted < have && situation.pending > 0 {
        let number = situation.pending.min(have - wanted);
        memory.spare.clear();
        return (memory, Decision::Withdraw(number, reason));
    }
    // The idlest first, of those that hold least.
    let mut idle: Vec<&&Member> = there.iter().filter(|member| member.processing == 0).collect();
    idle.sort_by_key(|member| (member.holds_alone, member.held_bytes, std::cmp::Reverse(member.id)));
    let spare = spare(&idle, &there, present.saturating_sub(wanted));
    let before = std::mem::take(&mut memory.spare);
    for id in spare {
        let (times, since) = before.get(&id).copied().unwrap_or((0, situation.now));
        memory.spare.insert(id, (times + 1, since));
    }
    // Who takes long to come is not sent away for a moment's sake.
    let due = |times: u32, since: Micros| times >= policy.wait_count && situation.now - since >= start / 2;
    let retired: Vec<WorkerId> =
        memory.spare.iter().filter(|(_, (times, since))| due(*times, *since)).map(|(id, _)| *id).collect();
    if retired.is_empty() {
        return (memory, Decision::Stay);
    }
    memory.spare.retain(|id, _| !retired.contains(id));
    let reason = format!("{reason}; idle for {} rounds: {}", policy.wait_count, retired.len());
    (memory, Decision::Retire(retired, reason))
}

/// How many workers there should be, and why.
fn wanted(policy: &Policy, situation: &Situation, there: &[&Member], start: Micros) -> (u32, String) {
    let threads: u64 = there.iter().map(|member| u64::from(member.nthreads.max(1))).sum();
    let each = threads.checked_div(there.len() as u64).unwrap_or(u64::from(policy.nthreads)).max(1);
    let seconds = situation.work as f64 * 1e-6;
    // By the time that new workers come, those that are there have done some of it.
    let done_before = if there.is_empty() { 0 } else { threads.saturating_mul(start) };
    let left = situation.work.saturating_sub(done_before);
    let by_work = left.div_ceil(policy.target.max(1));
    // Those that are there go on with what they have.
    let busy = there.iter().filter(|member| member.processing > 0).count() as u64;
    let most = (situation.runnable as u64).div_ceil(each);
    let any = u64::from(situation.runnable + situation.waiting > 0);
    let mut workers = by_work.div_ceil(each).max(busy).min(most.max(busy)).max(any);
    let mut reason = format!(
        "{} tasks can run, {seconds:.1} s of work, {} s to come, {} threads",
        situation.runnable,
        start / 1_000_000,
        threads
    );

    let held: u64 = there.iter().map(|member| member.held_bytes).sum();
    let limits: u64 = there.iter().map(|member| member.memory_limit).sum();
    if limits > 0 && held as f64 > FULL * limits as f64 {
        let each = limits as f64 / there.len() as f64;
        let by_memory = (held as f64 / (FULL_AFTER * each)).ceil() as u64;
        if by_memory > workers {
            workers = by_memory;
            reason = format!("{held} bytes are held, of {limits}");
        }
    }
    if held > 0 || there.iter().any(|member| member.holds_alone) {
        workers = workers.max(1); // somebody has to hold them
    }
    let (minimum, maximum) = (policy.minimum, policy.maximum.max(policy.minimum));
    let clamped = u32::try_from(workers).unwrap_or(u32::MAX).clamp(minimum, maximum);
    if u64::from(clamped) != workers {
        reason = format!("{reason}; {workers} workers would do, between {minimum} and {maximum}");
    }
    (clamped, reason)
}

/// Which of the idle workers could go, at most `most` of them: what they hold has room with the others.
fn spare(idle: &[&&Member], there: &[&Member], most: u32) -> Vec<WorkerId> {
    let held: u64 = there.iter().map(|member| member.held_bytes).sum();
    let mut limits: u64 = there.iter().map(|member| member.memory_limit).sum();
    let limited = there.iter().all(|member| member.memory_limit > 0);
    let mut left = there.len();
    let mut spare = Vec::new();
    for member in idle.iter().take(most as usize) {
        let rest = limits.saturating_sub(member.memory_limit);
        let fits = !limited || held as f64 <= FULL_AFTER * rest as f64;
        let last = left == 1;
        if (held > 0 && !fits) || (last && (held > 0 || member.holds_alone)) {
            break;
        }
        limits = rest;
        left -= 1;
        spare.push(member.id);
    }
    spare
}
