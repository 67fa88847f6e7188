//! Adaptive scaling of a cluster whose workers take their time to come: it neither flaps nor overshoots.

use std::collections::VecDeque;

use selion_scheduler::WorkerId;
use selion_scheduler::adaptive::{Decision, Member, Memory, Policy, Situation, decide};

const SECOND: u64 = 1_000_000;

/// Workers of one thread that share tasks of one second each.
struct Cluster {
    policy: Policy,
    memory: Memory,
    now: u64,
    /// How many seconds a worker takes to come.
    start: u64,
    /// When those that were asked for were asked for.
    pending: VecDeque<u64>,
    members: Vec<Member>,
    next: u32,
    /// Seconds of work that can be done at the same time.
    tasks: usize,
    decisions: Vec<(u64, Decision)>,
    most: usize,
}

impl Cluster {
    fn new(policy: Policy, start: u64) -> Self {
        let (memory, pending, members, decisions) = (Memory::default(), VecDeque::new(), Vec::new(), Vec::new());
        Cluster { policy, memory, now: 0, start, pending, members, next: 0, tasks: 0, decisions, most: 0 }
    }

    fn second(&mut self) {
        self.now += SECOND;
        let mut came_after = Vec::new();
        while let Some(asked) = self.pending.pop_front_if(|asked| *asked + self.start * SECOND <= self.now) {
            came_after.push(self.now - asked);
            self.members.push(Member {
                id: WorkerId(self.next),
                nthreads: 1,
                processing: 0,
                held_bytes: 0,
                memory_limit: 1 << 30,
                holds_alone: false,
                retiring: false,
            });
            self.next += 1;
        }
        let done = self.members.len().min(self.tasks);
        for (at, member) in self.members.iter_mut().enumerate() {
            member.processing = usize::from(at < done);
        }
        let situation = Situation {
            now: self.now,
            runnable: self.tasks,
            waiting: 0,
            work: self.tasks as u64 * SECOND,
            members: self.members.clone(),
            pending: self.pending.len() as u32,
            came_after,
            failed: 0,
        };
        self.tasks -= done;
        let (memory, decision) = decide(&self.policy, &self.memory, &situation);
        self.memory = memory;
        match &decision {
            Decision::Stay => return,
            Decision::Start(count, _) => (0..*count).for_each(|_| self.pending.push_back(self.now)),
            Decision::Withdraw(count, _) => self.pending.truncate(self.pending.len() - *count as usize),
            Decision::Retire(ids, _) => {
                assert!(self.members.iter().all(|member| !ids.contains(&member.id) || member.processing == 0));
                self.members.retain(|member| !ids.contains(&member.id));
            }
        }
        self.most = self.most.max(self.members.len() + self.pending.len());
        self.decisions.push((self.now, decision));
    }

    fn starts(&self) -> usize {
        self.decisions.iter().filter(|(_, decision)| matches!(decision, Decision::Start(..))).count()
    }
}

#[test]
fn one_burst_is_answered_once() {
    for start in [1, 5, 30, 120] {
        let mut cluster = Cluster::new(Policy { maximum: 50, ..Policy::default() }, start);
        cluster.tasks = 100;
        for _ in 0..1_000 {
            cluster.second();
        }
        assert_eq!(cluster.tasks, 0, "all is done");
        assert_eq!(cluster.members.len(), 0, "nobody stays for nothing");
        assert!(cluster.most <= 20, "start {start}: {} workers for 100 s of work in 5 s", cluster.most);
        assert_eq!(cluster.starts(), 1, "start {start}: {:?}", cluster.decisions);
    }
}

#[test]
fn a_stream_of_work_makes_nobody_come_and_go() {
    for start in [1, 10, 60] {
        let mut cluster = Cluster::new(Policy { maximum: 50, ..Policy::default() }, start);
        for second in 0..2_000 {
            // Four seconds of work each second, but for a pause of two in every ten.
            if second % 10 < 8 {
                cluster.tasks += 4;
            }
            cluster.second();
        }
        let late: Vec<_> = cluster.decisions.iter().filter(|(at, _)| *at > 600 * SECOND).collect();
        assert!(late.len() <= 20, "start {start}: {} decisions: {late:?}", late.len());
        assert!(cluster.tasks < 100, "start {start}: it keeps up: {}", cluster.tasks);
    }
}

#[test]
fn work_that_is_done_before_a_worker_could_come_starts_none() {
    let mut cluster = Cluster::new(Policy { minimum: 2, maximum: 50, ..Policy::default() }, 60);
    for _ in 0..100 {
        cluster.second();
    }
    assert_eq!((cluster.members.len(), cluster.starts()), (2, 1));
    cluster.tasks = 60;
    for _ in 0..100 {
        cluster.second();
    }
    assert_eq!((cluster.members.len(), cluster.starts()), (2, 1), "two do it in 30 s");
}

fn member(id: u32, held_bytes: u64) -> Member {
    let holds_alone = held_bytes > 0;
    Member {
        id: WorkerId(id),
        nthreads: 1,
        processing: 0,
        held_bytes,
        memory_limit: 1_000,
        holds_alone,
        retiring: false,
    }
}

/// What is decided in the end about idle workers.
fn settled(policy: &Policy, members: Vec<Member>) -> Decision {
    let mut memory = Memory::default();
    let mut last = Decision::Stay;
    for round in 1..=policy.wait_count {
        let situation = Situation { now: u64::from(round) * SECOND, members: members.clone(), ..Situation::default() };
        let (next, decision) = decide(policy, &memory, &situation);
        (memory, last) = (next, decision);
        assert!(round == policy.wait_count || last == Decision::Stay);
    }
    last
}

#[test]
fn held_results_keep_a_worker() {
    let decision = settled(&Policy::default(), vec![member(0, 10), member(1, 0), member(2, 10)]);
    assert!(matches!(&decision, Decision::Retire(ids, _) if ids.len() == 2 && ids.contains(&WorkerId(1))));
    assert_eq!(settled(&Policy::default(), vec![member(0, 10)]), Decision::Stay);
    // Nobody goes whose values would fill the others.
    assert_eq!(settled(&Policy::default(), vec![member(0, 300), member(1, 300)]), Decision::Stay);
    // With nothing held, all go, down to the minimum.
    let decision = settled(&Policy { minimum: 1, ..Policy::default() }, vec![member(0, 0), member(1, 0)]);
    assert!(matches!(decision, Decision::Retire(ids, _) if ids.len() == 1));
}

#[test]
fn memory_calls_for_more() {
    let situation = Situation { members: vec![member(0, 700)], ..Situation::default() };
    let (_, decision) = decide(&Policy::default(), &Memory::default(), &situation);
    assert!(matches!(decision, Decision::Start(1, reason) if reason.contains("bytes")));
}

#[test]
fn requests_that_fail_are_repeated_ever_more_slowly() {
    let (mut memory, mut starts) = (Memory::default(), 0);
    let mut failed = 0;
    for second in 1..=300 {
        let situation = Situation { now: second * SECOND, runnable: 1, work: SECOND, failed, ..Situation::default() };
        let (next, decision) = decide(&Policy::default(), &memory, &situation);
        memory = next;
        failed = u32::from(matches!(decision, Decision::Start(..)));
        starts += failed;
    }
    assert!((5..=12).contains(&starts), "{starts} requests in 300 s");
}

#[test]
fn requests_that_are_not_needed_are_withdrawn_before_anybody_is_retired() {
    let situation = Situation { pending: 3, members: vec![member(0, 0)], ..Situation::default() };
    let (_, decision) = decide(&Policy::default(), &Memory::default(), &situation);
    assert!(matches!(decision, Decision::Withdraw(3, _)));
}
