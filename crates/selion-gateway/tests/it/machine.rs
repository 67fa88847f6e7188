//! The state machine under random events, against a world that carries out its orders, loses processes, and restarts it.

use std::collections::BTreeMap;

use proptest::prelude::*;
use selion_gateway::cluster::machine::{Event, Heartbeat, Order, Role};
use selion_gateway::cluster::model::{Cluster, Phase, Process};
use selion_gateway::secret::Secret;
use selion_gateway::settings::Settings;

fn cluster() -> Cluster {
    Cluster {
        name: "c".into(),
        user: "alice".into(),
        groups: vec![],
        options: serde_json::Map::new(),
        settings: Settings { max_workers: Some(5), ..Settings::default() },
        token: Secret::new("t"),
        certificate: String::new(),
        key: Secret::new("k"),
        phase: Phase::Pending,
        failing: false,
        reason: None,
        created_ms: 0,
        running_ms: None,
        stopped_ms: None,
        certified_ms: 0,
        scheduler: Process::Launching,
        addresses: None,
        workers: BTreeMap::new(),
        past_workers: vec![],
        wanted: 0,
        worker_failures: 0,
        core_ms: 0,
        charged_ms: 0,
        beat_ms: 0,
        client_ms: 0,
    }
}

/// What exists outside the machine.
struct World {
    cluster: Cluster,
    /// Ordered, not done.
    launching: Vec<Role>,
    /// Exists, by handle.
    alive: BTreeMap<String, Role>,
    killed: Vec<String>,
    routed: bool,
    pending_route: bool,
    cleaned: u32,
    now_ms: u64,
    handles: u32,
}

#[derive(Clone, Debug)]
enum Step {
    /// The backend starts the first that was ordered.
    Launch,
    /// Or cannot.
    RefuseLaunch,
    /// A process dies by itself.
    Die(usize),
    /// One that was told to end does.
    Obey,
    Route,
    Beat {
        count: u32,
        allowed: u32,
        closing: usize,
        closed: usize,
    },
    Stop,
    Wait(u64),
    /// The gateway dies and comes back; orders that were not done are forgotten.
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => Just(Step::Launch),
        1 => Just(Step::RefuseLaunch),
        1 => (0_usize..8).prop_map(Step::Die),
        6 => Just(Step::Obey),
        4 => Just(Step::Route),
        8 => (0_u32..8, 0_u32..8, 0_usize..4, 0_usize..4)
            .prop_map(|(count, allowed, closing, closed)| Step::Beat { count, allowed, closing, closed }),
        1 => Just(Step::Stop),
        2 => (1_u64..70_000).prop_map(Step::Wait),
        2 => Just(Step::Restart),
    ]
}

impl World {
    fn new() -> World {
        World {
            cluster: cluster(),
            launching: vec![Role::Scheduler],
            alive: BTreeMap::new(),
            killed: vec![],
            routed: false,
            pending_route: false,
            cleaned: 0,
            now_ms: 1,
            handles: 0,
        }
    }

    fn tell(&mut self, event: Event) {
        let mut orders = vec![];
        self.cluster.handle(event, self.now_ms, &mut orders);
        self.take(orders);
    }

    fn take(&mut self, orders: Vec<Order>) {
        for order in orders {
            match order {
                Order::Launch(role) => {
                    assert!(!self.launching.contains(&role), "{role:?} ordered twice");
                    assert!(!self.alive.values().any(|other| *other == role), "{role:?} exists");
                    self.launching.push(role);
                }
                Order::Kill(_, handle) => self.killed.push(handle),
                Order::AddRoute => self.pending_route = true,
                Order::RemoveRoute => (self.routed, self.pending_route) = (false, false),
                Order::Clean => self.cleaned += 1,
            }
        }
    }

    fn step(&mut self, step: &Step) {
        self.now_ms += 10;
        match step {
            Step::Launch if !self.launching.is_empty() => {
                let role = self.launching.remove(0);
                self.handles += 1;
                let handle = format!("h{}", self.handles);
                self.alive.insert(handle.clone(), role.clone());
                self.tell(Event::Launched(role, handle));
            }
            Step::RefuseLaunch if !self.launching.is_empty() => {
                let role = self.launching.remove(0);
                self.tell(Event::LaunchFailed(role, "no".into()));
            }
            Step::Die(which) if !self.alive.is_empty() => {
                let handle = self.alive.keys().nth(which % self.alive.len()).cloned().unwrap();
                self.end(&handle);
            }
            Step::Obey => {
                if let Some(handle) = self.killed.pop() {
                    self.end(&handle);
                }
            }
            Step::Route if self.pending_route => {
                (self.routed, self.pending_route) = (true, false);
                self.tell(Event::Routed);
            }
            Step::Beat { count, allowed, closing, closed }
                if self.alive.values().any(|role| *role == Role::Scheduler) =>
            {
                let names: Vec<String> = self.cluster.workers.keys().cloned().collect();
                let beat = Heartbeat {
                    scheduler_address: "tls://h:1".into(),
                    dashboard_address: String::new(),
                    api_address: "http://h:2".into(),
                    count: *count,
                    closing_workers: names.iter().take(*closing).cloned().collect(),
                    active_workers: names.iter().skip(*closing).take(2).cloned().collect(),
                    closed_workers: names.iter().rev().take(*closed).cloned().collect(),
                };
                self.tell(Event::Beat(Box::new(beat), *allowed));
                assert!(!self.cluster.phase.is_active() || self.cluster.wanted <= *allowed.min(&5));
            }
            Step::Stop => self.tell(Event::Stop("so".into())),
            Step::Wait(ms) => {
                self.now_ms += ms;
                self.tell(Event::Tick(Some(1)));
            }
            Step::Restart => {
                self.launching.clear();
                self.killed.clear();
                self.pending_route = false;
                let record = serde_json::to_vec(&self.cluster).unwrap();
                self.cluster = serde_json::from_slice(&record).unwrap();
                let alive: Vec<(Role, String)> =
                    self.alive.iter().map(|(handle, role)| (role.clone(), handle.clone())).collect();
                let mut orders = vec![];
                self.cluster.recover(&alive, self.now_ms, &mut orders);
                self.take(orders);
            }
            _ => {}
        }
        self.check();
    }

    fn end(&mut self, handle: &str) {
        if let Some(role) = self.alive.remove(handle) {
            self.tell(Event::Exited(role, "ended".into()));
        }
    }

    fn check(&self) {
        let cluster = &self.cluster;
        assert_eq!(cluster.phase.is_final(), cluster.stopped_ms.is_some());
        assert!(cluster.phase != Phase::Running || self.routed || self.pending_route, "RUNNING without a way");
        assert!(self.cleaned <= 1);
        if cluster.phase.is_final() {
            assert!(cluster.reason.is_some() && cluster.cores() == 0 && !self.routed);
            let unwatched = self.alive.keys().find(|handle| !self.killed.contains(handle));
            assert_eq!(unwatched, None, "lives on after the end");
        }
        let mut roles: Vec<&Role> = self.alive.values().collect();
        roles.sort();
        roles.dedup();
        assert_eq!(roles.len(), self.alive.len(), "doubled: {:?}", self.alive);
        for (handle, role) in &self.alive {
            let known = match role {
                Role::Scheduler => cluster.scheduler == Process::Live(handle.clone()),
                Role::Worker(name) => {
                    cluster.workers.get(name).is_some_and(|worker| worker.process == Process::Live(handle.clone()))
                }
            };
            assert!(known || self.killed.contains(handle), "{role:?} is orphaned in {:?}", cluster.phase);
        }
    }

    /// Lets the world do what was ordered, until nothing is left to do.
    fn run_out(&mut self) {
        for _ in 0..200 {
            let step = if !self.killed.is_empty() {
                Step::Obey
            } else if !self.launching.is_empty() {
                Step::Launch
            } else if self.pending_route {
                Step::Route
            } else {
                return;
            };
            self.step(&step);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nothing_is_orphaned_or_doubled_and_every_end_is_reached(steps in proptest::collection::vec(step(), 0..60)) {
        let mut world = World::new();
        for step in &steps {
            world.step(step);
        }
        world.step(&Step::Stop);
        world.run_out();
        prop_assert!(world.cluster.phase.is_final(), "{:?}", world.cluster);
        prop_assert!(world.alive.is_empty());
        prop_assert_eq!(world.cleaned, 1);
    }
}

#[test]
fn a_scheduler_that_reports_is_running_once_the_way_is_there() {
    let mut world = World::new();
    world.step(&Step::Launch);
    world.step(&Step::Beat { count: 2, allowed: 9, closing: 0, closed: 0 });
    assert_eq!(world.cluster.phase.status(), "PENDING");
    assert_eq!(world.launching.len(), 2);
    world.step(&Step::Route);
    assert_eq!(world.cluster.phase.status(), "RUNNING");
}

#[test]
fn workers_that_never_start_fail_the_cluster() {
    let mut world = World::new();
    world.step(&Step::Launch);
    world.step(&Step::Beat { count: 1, allowed: 9, closing: 0, closed: 0 });
    world.step(&Step::Route);
    for _ in 0..3 {
        world.step(&Step::RefuseLaunch);
    }
    assert!(world.cluster.reason.as_deref().unwrap_or_default().contains("3 workers in a row"));
    world.run_out();
    assert_eq!(world.cluster.phase, Phase::Failed);
}

#[test]
fn usage_is_charged_by_time_and_cores() {
    let mut world = World::new();
    world.step(&Step::Launch);
    world.step(&Step::Wait(9_990));
    assert_eq!(world.cluster.core_ms, world.now_ms);
}
