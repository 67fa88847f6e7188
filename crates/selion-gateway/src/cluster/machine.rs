//! What happens to a cluster: events in, orders out; no I/O and no clock of its own.
//!
//! Whoever calls `handle` stores the changed record before it carries out the orders: what was ordered can then always be
//! found again. Names are reserved before processes are started, so that a start that was cut short is recognised by
//! its name (`recover`).

use serde::{Deserialize, Serialize};

use super::model::{Addresses, Cluster, Phase, Process, Worker};
use crate::secret::random_hex;

/// Workers whose logs may still be asked for.
const PAST_WORKERS_MAX: usize = 500;

/// One process of a cluster.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Role {
    /// The scheduler.
    Scheduler,
    /// The worker of this name.
    Worker(String),
}

/// What a scheduler tells, as it stands in its request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Heartbeat {
    /// `tls://host:port`
    pub scheduler_address: String,
    /// `http://host:port`, or empty.
    pub dashboard_address: String,
    /// `http://host:port`
    pub api_address: String,
    /// How many workers it wants.
    pub count: u32,
    /// Workers that are connected and to be kept.
    pub active_workers: Vec<String>,
    /// Workers that are about to be let go.
    pub closing_workers: Vec<String>,
    /// Every worker that has ever left.
    pub closed_workers: Vec<String>,
}

/// What happens to a cluster.
#[derive(Clone, Debug)]
pub enum Event {
    /// The backend has started a process.
    Launched(Role, String),
    /// The backend could not; why.
    LaunchFailed(Role, String),
    /// A process has ended; how, with the last lines of its log.
    Exited(Role, String),
    /// The scheduler reports; so many workers are allowed at most.
    Beat(Box<Heartbeat>, u32),
    /// The proxy knows the way.
    Routed,
    /// Somebody wants it to end; why.
    Stop(String),
    /// It cannot go on; why.
    Fail(String),
    /// Time passes; so many clients are connected, if that is known.
    Tick(Option<u32>),
}

/// What must be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Order {
    /// Start a process.
    Launch(Role),
    /// Stop a process, by its handle; `Exited` follows.
    Kill(Role, String),
    /// Tell the proxy the way to the scheduler; `Routed` follows.
    AddRoute,
    /// The proxy must forget the way.
    RemoveRoute,
    /// Nothing of it is left: remove its files, but keep its logs.
    Clean,
}

impl Cluster {
    /// Applies one event at time `now_ms`, and appends what must be done.
    pub fn handle(&mut self, event: Event, now_ms: u64, out: &mut Vec<Order>) {
        self.charge(now_ms);
        if self.phase.is_final() {
            // A process that was not known any more, found or started late.
            if let Event::Launched(role, handle) = event {
                out.push(Order::Kill(role, handle));
            }
            return;
        }
        match event {
            Event::Launched(role, handle) => self.launched(role, handle, now_ms, out),
            Event::LaunchFailed(role, why) => self.ended(role, format!("could not be started: {why}"), now_ms, out),
            Event::Exited(role, how) => self.ended(role, how, now_ms, out),
            Event::Beat(beat, allowed) => self.beat(&beat, allowed, now_ms, out),
            Event::Routed if self.phase == Phase::Routing => {
                self.phase = Phase::Running;
                self.running_ms.get_or_insert(now_ms);
                self.client_ms = now_ms;
            }
            Event::Routed => {}
            Event::Stop(why) => self.end(false, why, now_ms, out),
            Event::Fail(why) => self.end(true, why, now_ms, out),
            Event::Tick(clients) => self.tick(clients, now_ms, out),
        }
        debug_assert!(self.phase.is_final() || self.stopped_ms.is_none());
    }

    /// After a restart: `alive` are the processes that the backend found. What was half done is finished or cleaned up.
    pub fn recover(&mut self, alive: &[(Role, String)], now_ms: u64, out: &mut Vec<Order>) {
        self.beat_ms = now_ms;
        self.client_ms = now_ms;
        if self.phase.is_final() {
            out.extend(alive.iter().map(|(role, handle)| Order::Kill(role.clone(), handle.clone())));
            return;
        }
        for (role, handle) in alive {
            let known = match role {
                Role::Scheduler => Some(&mut self.scheduler),
                Role::Worker(name) => self.workers.get_mut(name).map(|worker| &mut worker.process),
            };
            match known {
                Some(process) => *process = Process::Live(handle.clone()),
                None => out.push(Order::Kill(role.clone(), handle.clone())),
            }
        }
        let lost: Vec<Role> = std::iter::once((Role::Scheduler, &self.scheduler))
            .chain(self.workers.iter().map(|(name, worker)| (Role::Worker(name.clone()), &worker.process)))
            .filter(|(role, process)| **process != Process::Gone && !alive.iter().any(|(found, _)| found == role))
            .map(|(role, _)| role)
            .collect();
        for role in lost {
            let launching = match &role {
                Role::Scheduler => self.scheduler == Process::Launching,
                Role::Worker(name) => self.workers.get(name).is_some_and(|worker| worker.process == Process::Launching),
            };
            if launching && self.phase.is_active() {
                out.push(Order::Launch(role));
            } else {
                self.ended(role, "ended while the gateway was not running".into(), now_ms, out);
            }
        }
        match self.phase {
            Phase::Routing | Phase::Running => out.push(Order::AddRoute),
            Phase::Stopping => self.kill_all(now_ms, out),
            _ => {}
        }
    }

    fn launched(&mut self, role: Role, handle: String, now_ms: u64, out: &mut Vec<Order>) {
        let unwanted = self.phase == Phase::Stopping
            || matches!(&role, Role::Worker(name) if self.workers.get(name).is_none_or(|worker| worker.leaving));
        if unwanted {
            out.push(Order::Kill(role.clone(), handle.clone()));
        }
        match &role {
            Role::Scheduler => self.scheduler = Process::Live(handle),
            Role::Worker(name) => {
                if let Some(worker) = self.workers.get_mut(name) {
                    worker.process = Process::Live(handle);
                }
            }
        }
        self.finish_if_gone(now_ms, out);
    }

    fn ended(&mut self, role: Role, how: String, now_ms: u64, out: &mut Vec<Order>) {
        match role {
            Role::Scheduler => {
                self.scheduler = Process::Gone;
                if self.phase.is_active() {
                    self.end(true, format!("the scheduler {how}"), now_ms, out);
                }
            }
            Role::Worker(name) => {
                let Some(worker) = self.workers.remove(&name) else { return };
                self.past_workers.push(name);
                if self.past_workers.len() > PAST_WORKERS_MAX {
                    self.past_workers.remove(0);
                }
                if self.phase.is_active() && !worker.joined && !worker.leaving {
                    self.worker_failures += 1;
                    if self.worker_failures >= self.settings.worker_start_failures {
                        let times = self.worker_failures;
                        self.end(
                            true,
                            format!("{times} workers in a row did not start; the last one {how}"),
                            now_ms,
                            out,
                        );
                    }
                }
                if self.phase.is_active() {
                    self.fill(out, now_ms);
                }
            }
        }
        self.finish_if_gone(now_ms, out);
    }

    fn beat(&mut self, beat: &Heartbeat, allowed: u32, now_ms: u64, out: &mut Vec<Order>) {
        if !self.phase.is_active() {
            return;
        }
        self.beat_ms = now_ms;
        if self.phase == Phase::Pending {
            self.addresses = Some(Addresses {
                scheduler: beat.scheduler_address.clone(),
                dashboard: beat.dashboard_address.clone(),
                api: beat.api_address.clone(),
            });
            self.phase = Phase::Routing;
            out.push(Order::AddRoute);
        }
        self.wanted = beat.count.min(allowed).min(self.settings.worker_limit());
        for name in &beat.closing_workers {
            if let Some(worker) = self.workers.get_mut(name) {
                worker.joined = true;
                worker.leaving = true;
            }
        }
        for name in &beat.active_workers {
            if let Some(worker) = self.workers.get_mut(name) {
                worker.joined = true;
                self.worker_failures = 0;
            }
        }
        for name in &beat.closed_workers {
            if let Some(worker) = self.workers.get_mut(name) {
                worker.joined = true;
                dismiss(name, worker, out);
            }
        }
        self.fill(out, now_ms);
        self.trim(out);
    }

    /// Starts workers until there are as many as wanted.
    fn fill(&mut self, out: &mut Vec<Order>, now_ms: u64) {
        let staying = self.workers.values().filter(|worker| !worker.leaving).count();
        for _ in staying..self.wanted as usize {
            let name = random_hex();
            let worker = Worker { process: Process::Launching, joined: false, leaving: false, created_ms: now_ms };
            self.workers.insert(name.clone(), worker);
            out.push(Order::Launch(Role::Worker(name)));
        }
    }

    /// Takes back workers that have not joined, if more are there than wanted; joined ones are the scheduler's to choose.
    fn trim(&mut self, out: &mut Vec<Order>) {
        let staying = self.workers.values().filter(|worker| !worker.leaving).count();
        let surplus = staying.saturating_sub(self.wanted as usize);
        let mut unjoined: Vec<_> =
            self.workers.iter_mut().filter(|(_, worker)| !worker.joined && !worker.leaving).collect();
        unjoined.sort_by_key(|(_, worker)| (worker.process != Process::Launching, worker.created_ms));
        for (name, worker) in unjoined.into_iter().take(surplus) {
            dismiss(name, worker, out);
        }
    }

    fn tick(&mut self, clients: Option<u32>, now_ms: u64, out: &mut Vec<Order>) {
        let passed = |since_ms: u64, limit: crate::units::Span| {
            !limit.0.is_zero() && now_ms.saturating_sub(since_ms) > limit.millis()
        };
        if self.phase.is_active() && passed(self.created_ms, self.settings.max_runtime) {
            self.end(false, "the cluster has reached its maximum run time".into(), now_ms, out);
        }
        if clients.is_some_and(|clients| clients > 0) {
            self.client_ms = now_ms;
        }
        match self.phase {
            Phase::Pending if passed(self.created_ms, self.settings.start_timeout) => {
                let secs = self.settings.start_timeout.0.as_secs();
                self.end(true, format!("the scheduler did not report within {secs} s"), now_ms, out);
            }
            Phase::Running if passed(self.beat_ms, self.settings.heartbeat_timeout) => {
                let secs = self.settings.heartbeat_timeout.0.as_secs();
                self.end(true, format!("the scheduler has not reported for {secs} s"), now_ms, out);
            }
            Phase::Running if clients == Some(0) && passed(self.client_ms, self.settings.client_timeout) => {
                let secs = self.settings.client_timeout.0.as_secs();
                self.end(false, format!("no client was connected for {secs} s"), now_ms, out);
            }
            _ => {}
        }
        if self.phase == Phase::Running {
            for (name, worker) in &mut self.workers {
                if !worker.joined && !worker.leaving && passed(worker.created_ms, self.settings.worker_start_timeout) {
                    dismiss(name, worker, out);
                }
            }
            self.fill(out, now_ms);
        }
    }

    fn end(&mut self, failing: bool, why: String, now_ms: u64, out: &mut Vec<Order>) {
        if self.phase == Phase::Stopping {
            return;
        }
        self.phase = Phase::Stopping;
        self.failing = failing;
        self.reason = Some(why);
        self.wanted = 0;
        self.kill_all(now_ms, out);
    }

    fn kill_all(&mut self, now_ms: u64, out: &mut Vec<Order>) {
        if let Process::Live(handle) = &self.scheduler {
            out.push(Order::Kill(Role::Scheduler, handle.clone()));
        }
        for (name, worker) in &mut self.workers {
            worker.leaving = true;
            if let Process::Live(handle) = &worker.process {
                out.push(Order::Kill(Role::Worker(name.clone()), handle.clone()));
            }
        }
        self.finish_if_gone(now_ms, out);
    }

    fn finish_if_gone(&mut self, now_ms: u64, out: &mut Vec<Order>) {
        let gone = self.scheduler == Process::Gone && self.workers.is_empty();
        if self.phase == Phase::Stopping && gone {
            self.phase = if self.failing { Phase::Failed } else { Phase::Stopped };
            self.stopped_ms = Some(now_ms);
            out.extend([Order::RemoveRoute, Order::Clean]);
        }
    }

    /// Adds what was used since the last event.
    fn charge(&mut self, now_ms: u64) {
        let passed_ms = now_ms.saturating_sub(self.charged_ms);
        self.core_ms = self.core_ms.saturating_add(passed_ms.saturating_mul(u64::from(self.cores())));
        self.charged_ms = now_ms;
    }
}

/// Lets a worker go. One that is being started is killed as soon as its handle is known.
fn dismiss(name: &str, worker: &mut Worker, out: &mut Vec<Order>) {
    worker.leaving = true;
    if let Process::Live(handle) = &worker.process {
        out.push(Order::Kill(Role::Worker(name.to_owned()), handle.clone()));
    }
}
