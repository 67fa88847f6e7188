//! Scheduler, workers and clients in a world without sockets and clocks: every run follows from its seed.
//!
//! Messages take a random time but stay in order on their connection. Workers die with all that was on its way from and
//! to them; the scheduler dies and comes back knowing nothing. In the end every task that is wanted has its value or the
//! failure it deserves, nothing is held for nobody, and no input was missing when a task began.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, HashMap};
use std::sync::Arc;

use bytes::Bytes;
use selion_scheduler::message::{
    Failure, FailureKind, FromClient, FromWorker, Rules, Status, Submit, Task, ToClient, ToWorker, WorkerInfo,
};
use selion_scheduler::{Action, BlobId, ClientId, Config, Desk, Input, Key, Scheduler, Wishes, WorkerId};

struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }
    fn below(&mut self, n: u64) -> u64 {
        self.next() % n.max(1)
    }
    fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }
}

enum Event {
    ToScheduler {
        epoch: u32,
        worker: WorkerId,
        messages: Vec<FromWorker>,
    },
    ToWorker {
        epoch: u32,
        worker: WorkerId,
        messages: Vec<ToWorker>,
    },
    FromClient {
        epoch: u32,
        client: ClientId,
        message: FromClient,
    },
    ToClient {
        epoch: u32,
        client: ClientId,
        messages: Vec<ToClient>,
    },
    TaskEnds {
        machine: u32,
        key: Key,
        run: u64,
    },
    Fetched {
        machine: u32,
        from: WorkerId,
        key: Key,
    },
    Kill {
        machine: u32,
    },
    Join,
    SchedulerDies,
    SchedulerComesBack,
    Releases {
        client: ClientId,
    },
    Submits {
        client: ClientId,
    },
    Watch,
    /// Time passes: workers say that they live, the scheduler looks around.
    Beat,
    /// A machine and the scheduler hear nothing of each other.
    Cut {
        machine: u32,
    },
    Heal {
        machine: u32,
    },
    Freeze {
        machine: u32,
        micros: u64,
    },
    Thaw {
        machine: u32,
    },
    /// Two machines cannot reach each other, or can again.
    Part {
        a: u32,
        b: u32,
        parted: bool,
    },
    Pause {
        machine: u32,
        paused: bool,
    },
    TaskStops {
        machine: u32,
        key: Key,
        run: u64,
        kind: FailureKind,
    },
    /// A client does something unusual.
    Odd {
        client: ClientId,
        what: Oddity,
    },
}

#[derive(Clone, Copy)]
enum Oddity {
    Cancel { force: bool },
    Retry,
    Replicate,
    Want,
    Scatter,
    Redefine,
    Leave,
    Retire,
}

/// A worker process. Its number stays when the scheduler calls it by another.
struct Machine {
    desk: Desk<u64>,
    nthreads: usize,
    /// The inputs and the number of the run.
    running: BTreeMap<Key, (Vec<u64>, u64)>,
    id: WorkerId,
    has_gpu: bool,
    paused: bool,
    cut: bool,
    frozen_until: u64,
    /// What is on its way while the way is cut.
    held_out: Vec<(WorkerId, Vec<FromWorker>)>,
    held_in: Vec<(WorkerId, Vec<ToWorker>)>,
}

#[derive(Default)]
struct Client {
    wishes: Wishes,
    /// What it wants, and what it has heard.
    wanted: BTreeMap<Key, Option<Result<u64, FailureKind>>>,
    pending: Vec<Submit>,
}

struct World {
    random: Random,
    now: u64,
    sequence: u64,
    queue: BinaryHeap<Reverse<(u64, u64)>>,
    events: HashMap<u64, Event>,
    scheduler: Option<Scheduler>,
    epoch: u32,
    machines: BTreeMap<u32, Machine>,
    next_machine: u32,
    next_worker: u32,
    by_id: HashMap<WorkerId, u32>,
    clients: BTreeMap<ClientId, Client>,
    /// The earliest time of the next message on each connection.
    lines: HashMap<(bool, u32), u64>,
    recipes: HashMap<Key, (Vec<Key>, Kind)>,
    runs: HashMap<Key, u32>,
    deaths: bool,
    scheduler_deaths: u32,
    killer_victims: HashMap<Key, u32>,
    config: Config,
    /// All may happen: workers are cut off, freeze, pause, clients change their minds.
    chaos: bool,
    /// Events to come that are not beats; and beats since the last of them.
    to_come: usize,
    quiet: u32,
    run_number: u64,
    parted: BTreeSet<(u32, u32)>,
    /// How often a flaky task has raised.
    raised: HashMap<Key, u32>,
    /// Failures that a key may end in, besides those that it must.
    excused: HashMap<Key, Vec<FailureKind>>,
    dependents: HashMap<Key, Vec<Key>>,
}

#[derive(Clone, Copy, PartialEq, Debug)]
enum Kind {
    /// Raises twice, and then does not.
    Flaky,
    Good,
    Raises,
    Kills,
}

impl World {
    fn new(seed: u64, workers: u32) -> Self {
        Self::with(Config::default(), seed, workers)
    }

    fn with(config: Config, seed: u64, workers: u32) -> Self {
        let mut world = World {
            random: Random(seed),
            now: 0,
            sequence: 0,
            queue: BinaryHeap::new(),
            events: HashMap::new(),
            scheduler: Some(Scheduler::new(config.clone())),
            config,
            chaos: false,
            to_come: 0,
            quiet: 0,
            run_number: 0,
            parted: BTreeSet::new(),
            raised: HashMap::new(),
            excused: HashMap::new(),
            dependents: HashMap::new(),
            epoch: 0,
            machines: BTreeMap::new(),
            next_machine: 0,
            next_worker: 0,
            by_id: HashMap::new(),
            clients: BTreeMap::new(),
            lines: HashMap::new(),
            recipes: HashMap::new(),
            runs: HashMap::new(),
            deaths: false,
            scheduler_deaths: 0,
            killer_victims: HashMap::new(),
        };
        for _ in 0..workers {
            world.join();
        }
        world
    }

    fn at(&mut self, time: u64, event: Event) {
        self.sequence += 1;
        self.to_come += usize::from(!matches!(event, Event::Beat));
        self.events.insert(self.sequence, event);
        self.queue.push(Reverse((time, self.sequence)));
    }

    /// The time at which a message on a line arrives: never before the one sent before.
    fn arrival(&mut self, line: (bool, u32)) -> u64 {
        let time = self.now + 50 + self.random.below(400);
        let earliest = self.lines.entry(line).or_insert(0);
        *earliest = time.max(*earliest + 1);
        *earliest
    }

    fn join(&mut self) {
        let number = self.next_machine;
        self.next_machine += 1;
        let nthreads = 1 + self.random.below(3) as usize;
        let machine = Machine {
            desk: Desk::default(),
            nthreads,
            running: BTreeMap::new(),
            id: WorkerId(u32::MAX),
            has_gpu: number % 2 == 0,
            paused: false,
            cut: false,
            frozen_until: 0,
            held_out: Vec::new(),
            held_in: Vec::new(),
        };
        self.machines.insert(number, machine);
        self.introduce(number);
    }

    /// A machine comes to the scheduler, with all it holds.
    fn introduce(&mut self, number: u32) {
        let Some(scheduler) = &mut self.scheduler else { return };
        let id = WorkerId(self.next_worker);
        self.next_worker += 1;
        let machine = self.machines.get_mut(&number).unwrap();
        machine.id = id;
        self.by_id.insert(id, number);
        let info = WorkerInfo {
            name: format!("machine-{number}"),
            address: format!("tcp://machine:{number}"),
            nthreads: machine.nthreads as u32,
            holds: machine.desk.holds(),
            runs: machine.desk.runs(),
            resources: if machine.has_gpu { vec![("GPU".into(), 1.0)] } else { Vec::new() },
            ..WorkerInfo::default()
        };
        scheduler.tick(self.now);
        scheduler.worker_joined(id, info);
        self.act();
    }

    fn act(&mut self) {
        let Some(scheduler) = &mut self.scheduler else { return };
        let actions = scheduler.actions();
        if self.sequence % validated_every() == 0 {
            scheduler.validate();
        }
        for action in actions {
            match action {
                Action::Tell(worker, messages) => {
                    let time = self.arrival((false, worker.0));
                    self.at(time, Event::ToWorker { epoch: self.epoch, worker, messages });
                }
                Action::Answer(client, messages) => {
                    let time = self.arrival((false, 1_000_000 + client.0));
                    self.at(time, Event::ToClient { epoch: self.epoch, client, messages });
                }
                Action::Disconnect(worker) => {
                    let number = self.by_id.remove(&worker).expect("it was there");
                    let machine = &self.machines[&number];
                    let silent = machine.cut || machine.frozen_until + 10_000 > self.now;
                    assert!(silent, "everybody else is heard of");
                }
                Action::Log(text) => assert!(!text.contains("BUG"), "{text}"),
            }
        }
    }

    /// A machine says what it has to say, and begins what it can begin.
    fn pump(&mut self, number: u32) {
        let Some(machine) = self.machines.get_mut(&number) else { return };
        if machine.frozen_until > self.now {
            return; // it goes on when it thaws
        }
        for (key, reason) in machine.desk.take_interrupts() {
            if machine.running.remove(&key).is_some() {
                machine.desk.failed(key, 10, failure(FailureKind::Cancelled, key, &reason));
            }
        }
        let mut started = Vec::new();
        while machine.running.len() < machine.nthreads && !machine.paused {
            let Some(start) = machine.desk.next() else { break };
            let inputs: Vec<u64> = start
                .inputs
                .iter()
                .map(|input| match input {
                    Input::Here(value) => *value,
                    Input::Encoded(bytes) => u64::from_le_bytes(bytes[..8].try_into().unwrap()),
                })
                .collect();
            let key = start.assignment.key;
            self.run_number += 1;
            machine.running.insert(key, (inputs, self.run_number));
            started.push((key, start.assignment.timeout, self.run_number));
        }
        // Without a scheduler what is to be said stays; half of the machines say it to the next one.
        let keeps = self.scheduler.is_none() && number % 2 == 0;
        let messages = if keeps { Vec::new() } else { machine.desk.take_outbox() };
        let fetches = machine.desk.take_fetches();
        let id = machine.id;
        for (key, timeout, run) in started {
            *self.runs.entry(key).or_insert(0) += 1;
            if !self.deaths && !self.chaos && self.scheduler_deaths == 0 {
                let elsewhere =
                    self.machines.iter().any(|(other, machine)| *other != number && machine.running.contains_key(&key));
                assert!(!elsewhere, "{key:?} runs on two machines at once");
            }
            if self.recipes[&key].1 == Kind::Kills {
                *self.killer_victims.entry(key).or_insert(0) += 1;
                let time = self.now + 10;
                self.at(time, Event::Kill { machine: number });
                let time = self.now + 3_000;
                self.at(time, Event::Join);
                continue;
            }
            let takes = 1 + self.random.below(3_000);
            if timeout != 0 && takes > timeout {
                let time = self.now + timeout;
                self.at(time, Event::TaskStops { machine: number, key, run, kind: FailureKind::TimedOut });
                continue;
            }
            let time = self.now + takes;
            self.at(time, Event::TaskEnds { machine: number, key, run });
        }
        if !messages.is_empty() && self.scheduler.is_some() {
            let time = self.arrival((true, id.0));
            self.at(time, Event::ToScheduler { epoch: self.epoch, worker: id, messages });
        }
        for fetch in fetches {
            let time = self.now + 100 + self.random.below(1_000);
            self.at(time, Event::Fetched { machine: number, from: fetch.peer, key: fetch.key });
        }
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::ToScheduler { epoch, worker, messages } => {
                let Some(number) = self.by_id.get(&worker).filter(|_| epoch == self.epoch) else { return };
                let machine = self.machines.get_mut(number).unwrap();
                if machine.cut {
                    return machine.held_out.push((worker, messages));
                }
                let Some(scheduler) = &mut self.scheduler else { return };
                scheduler.tick(self.now);
                for message in messages {
                    scheduler.from_worker(worker, message);
                }
                self.act();
            }
            Event::ToWorker { epoch, worker, messages } => {
                let Some(number) = self.by_id.get(&worker).copied().filter(|_| epoch == self.epoch) else { return };
                let machine = self.machines.get_mut(&number).unwrap();
                if machine.cut {
                    return machine.held_in.push((worker, messages));
                }
                if machine.frozen_until > self.now {
                    let time = machine.frozen_until;
                    return self.at(time, Event::ToWorker { epoch, worker, messages });
                }
                for message in messages {
                    machine.desk.accept(message);
                }
                if self.machines[&number].desk.is_closed() {
                    assert!(self.machines[&number].running.is_empty());
                    self.machines.remove(&number);
                    self.by_id.remove(&worker);
                    if let Some(scheduler) = &mut self.scheduler {
                        scheduler.worker_left(worker, true, "retired");
                    }
                    return self.act();
                }
                self.pump(number);
            }
            Event::FromClient { epoch, client, message } => {
                if epoch != self.epoch {
                    return;
                }
                let Some(scheduler) = self.scheduler.as_mut().filter(|_| self.clients.contains_key(&client)) else {
                    return;
                };
                scheduler.tick(self.now);
                scheduler.from_client(client, message);
                self.act();
            }
            Event::ToClient { epoch, client, messages } => {
                if epoch != self.epoch || !self.clients.contains_key(&client) {
                    return;
                }
                let mut cancelled = Vec::new();
                for message in messages {
                    let wanted = &mut self.clients.get_mut(&client).unwrap().wanted;
                    match message {
                        ToClient::Done { key, .. } => {
                            if let Some(state) = wanted.get_mut(&key) {
                                *state = Some(Ok(0));
                            }
                        }
                        ToClient::Failed { key, failure } => {
                            if let Some(state) = wanted.get_mut(&key) {
                                *state = Some(Err(failure.kind));
                                if failure.kind == FailureKind::Cancelled {
                                    cancelled.push(key);
                                }
                            }
                        }
                        ToClient::Lost(key) | ToClient::Pending(key) => {
                            if let Some(state) = wanted.get_mut(&key) {
                                *state = None;
                            }
                        }
                        ToClient::Holders(_) => {}
                    }
                }
                for key in cancelled {
                    self.release(client, key);
                }
            }
            Event::TaskStops { machine: number, key, run, kind } => {
                let Some(machine) = self.machines.get_mut(&number) else { return };
                if machine.running.get(&key).is_some_and(|(_, other)| *other == run) {
                    machine.running.remove(&key);
                    machine.desk.failed(key, 10, failure(kind, key, "stopped"));
                    self.pump(number);
                }
            }
            Event::TaskEnds { machine: number, key, run } => {
                let Some(machine) = self.machines.get_mut(&number) else { return };
                if machine.frozen_until > self.now {
                    let time = machine.frozen_until;
                    return self.at(time, Event::TaskEnds { machine: number, key, run });
                }
                if machine.running.get(&key).is_none_or(|(_, other)| *other != run) {
                    return;
                }
                let Some((inputs, _)) = machine.running.remove(&key) else { return };
                let (recipe, kind) = &self.recipes[&key];
                let expected: Vec<u64> = recipe.iter().map(|input| true_value(&self.recipes, *input)).collect();
                assert_eq!(inputs, expected, "the inputs of {key:?}");
                let raised = self.raised.entry(key).or_insert(0);
                let raises = *kind == Kind::Raises || (*kind == Kind::Flaky && *raised < 2);
                if raises {
                    *raised += 1;
                    machine.desk.failed(key, 10, failure(FailureKind::Raised, key, "no"));
                } else {
                    let value = true_value(&self.recipes, key);
                    let small = self.random.chance(50);
                    let encoded = small.then(|| Bytes::copy_from_slice(&value.to_le_bytes()));
                    let nbytes = if small { 8 } else { 1 << 20 };
                    machine.desk.done(key, 10 + self.random.below(2_000), value, nbytes, encoded);
                }
                self.pump(number);
            }
            Event::Fetched { machine: number, from, key } => {
                let peer = self.by_id.get(&from).copied();
                let reached = |peer: &u32| {
                    let pair = (number.min(*peer), number.max(*peer));
                    !self.parted.contains(&pair) && self.machines[peer].frozen_until <= self.now
                };
                let value = peer.filter(reached).and_then(|peer| self.machines[&peer].desk.value(key));
                let value = value.map(|(value, nbytes)| (*value, nbytes));
                let Some(machine) = self.machines.get_mut(&number) else { return };
                match value {
                    Some((value, nbytes)) => machine.desk.fetched(key, value, nbytes),
                    None => machine.desk.not_fetched(key, from),
                }
                self.pump(number);
            }
            Event::Kill { machine: number } => {
                let Some(machine) = self.machines.remove(&number) else { return };
                self.by_id.remove(&machine.id);
                if let Some(scheduler) = &mut self.scheduler {
                    scheduler.tick(self.now);
                    scheduler.worker_left(machine.id, false, "killed");
                    self.act();
                }
            }
            Event::Join => self.join(),
            Event::SchedulerDies => {
                if self.scheduler.take().is_none() {
                    return;
                }
                self.epoch += 1;
                self.by_id.clear();
                for machine in self.machines.values_mut() {
                    if !machine.cut && machine.frozen_until <= self.now {
                        machine.desk.disconnected();
                    }
                }
                let numbers: Vec<u32> = self.machines.keys().copied().collect();
                for number in numbers {
                    self.pump(number);
                }
                let time = self.now + 5_000;
                self.at(time, Event::SchedulerComesBack);
            }
            Event::SchedulerComesBack => {
                self.scheduler = Some(Scheduler::new(self.config.clone()));
                let reached = |machine: &Machine| !machine.cut && machine.frozen_until <= self.now;
                let numbers: Vec<u32> =
                    self.machines.iter().filter(|(_, machine)| reached(machine)).map(|(number, _)| *number).collect();
                for number in numbers {
                    self.introduce(number);
                }
                let clients: Vec<ClientId> = self.clients.keys().copied().collect();
                for client in clients {
                    let scheduler = self.scheduler.as_mut().unwrap();
                    scheduler.client_joined(client);
                    let again = self.clients[&client].wishes.again();
                    for state in self.clients.get_mut(&client).unwrap().wanted.values_mut() {
                        *state = None;
                    }
                    scheduler.from_client(client, FromClient::Submit(again));
                    let wanted = self.clients[&client].wanted.keys();
                    let others = wanted.filter(|key| !self.clients[&client].wishes.knows(**key)).copied().collect();
                    scheduler.from_client(client, FromClient::Want(others));
                    self.act();
                }
                let time = self.now + 700_000;
                self.at(time, Event::Watch);
            }
            Event::Submits { client } => {
                let Some(client_state) = self.clients.get_mut(&client) else { return };
                let Some(mut submit) = client_state.pending.pop() else { return };
                let state = self.clients.get_mut(&client).unwrap();
                // What it has let go of it cannot name any more.
                let mut named: BTreeSet<Key> = BTreeSet::new();
                submit.tasks.retain(|task| {
                    let known = |input: &Key| {
                        named.contains(input) || state.wishes.knows(*input) || state.wanted.contains_key(input)
                    };
                    let can = task.inputs.iter().all(known);
                    if can {
                        named.insert(task.key);
                    }
                    can
                });
                state.wishes.submitted(&submit);
                for task in &submit.tasks {
                    if task.wanted {
                        state.wanted.insert(task.key, None);
                    }
                }
                self.say(client, FromClient::Submit(submit));
            }
            Event::Releases { client } => {
                let Some(state) = self.clients.get(&client) else { return };
                let keys: Vec<Key> = state.wanted.keys().copied().collect();
                if keys.is_empty() {
                    return;
                }
                let key = keys[self.random.below(keys.len() as u64) as usize];
                self.release(client, key);
            }
            Event::Beat
            | Event::Cut { .. }
            | Event::Heal { .. }
            | Event::Freeze { .. }
            | Event::Thaw { .. }
            | Event::Part { .. }
            | Event::Pause { .. }
            | Event::Odd { .. } => self.happen_in_chaos(event),
            Event::Watch => {
                if let Some(scheduler) = &mut self.scheduler {
                    scheduler.tick(self.now);
                    scheduler.watch();
                    self.act();
                }
            }
        }
    }

    /// What happens only in chaos.
    fn happen_in_chaos(&mut self, event: Event) {
        match event {
            Event::Beat => {
                for (number, id) in self.machines.iter().map(|(n, m)| (*n, m.id)).collect::<Vec<_>>() {
                    let machine = &self.machines[&number];
                    let alive = !machine.cut && machine.frozen_until <= self.now && self.by_id.contains_key(&id);
                    if let Some(scheduler) = self.scheduler.as_mut().filter(|_| alive) {
                        scheduler.tick(self.now);
                        scheduler.from_worker(
                            id,
                            FromWorker::Status(Status { paused: machine.paused, ..Status::default() }),
                        );
                    }
                }
                self.happen(Event::Watch);
                let open = self.clients.values().any(|client| client.wanted.values().any(Option::is_none));
                self.quiet = if self.to_come > 0 { 0 } else { self.quiet + 1 };
                if self.to_come > 0 || (open && self.quiet < 300) {
                    let time = self.now + 2_000;
                    self.at(time, Event::Beat);
                }
            }
            Event::Cut { machine } => {
                if let Some(machine) = self.machines.get_mut(&machine) {
                    machine.cut = true;
                }
            }
            Event::Heal { machine: number } => {
                let Some(machine) = self.machines.get_mut(&number).filter(|machine| machine.cut) else { return };
                machine.cut = false;
                let (out, into) = (std::mem::take(&mut machine.held_out), std::mem::take(&mut machine.held_in));
                let known = self.by_id.contains_key(&machine.id);
                for (worker, messages) in into.into_iter().filter(|_| known) {
                    let time = self.arrival((false, worker.0));
                    self.at(time, Event::ToWorker { epoch: self.epoch, worker, messages });
                }
                for (worker, messages) in out {
                    if known {
                        let time = self.arrival((true, worker.0));
                        self.at(time, Event::ToScheduler { epoch: self.epoch, worker, messages });
                    } else if let Some(scheduler) = &mut self.scheduler {
                        // Its old self is not heard.
                        messages.into_iter().for_each(|message| scheduler.from_worker(worker, message));
                        self.act();
                    }
                }
                if !known {
                    self.come_back(number);
                }
            }
            Event::Freeze { machine: number, micros } => {
                let until = self.now + micros;
                let Some(machine) = self.machines.get_mut(&number) else { return };
                machine.frozen_until = until;
                self.at(until, Event::Thaw { machine: number });
            }
            Event::Thaw { machine: number } => {
                let Some(machine) = self.machines.get(&number) else { return };
                if !self.by_id.contains_key(&machine.id) && !machine.cut {
                    self.come_back(number);
                }
                self.pump(number);
            }
            Event::Part { a, b, parted } => {
                let pair = (a.min(b), a.max(b));
                if parted {
                    self.parted.insert(pair)
                } else {
                    self.parted.remove(&pair)
                };
            }
            Event::Pause { machine: number, paused } => {
                let Some(machine) = self.machines.get_mut(&number) else { return };
                machine.paused = paused;
                self.pump(number);
            }
            Event::Odd { client, what } => self.odd(client, what),
            _ => {}
        }
    }

    /// A machine that was cut off, or frozen, finds its connection closed.
    fn come_back(&mut self, number: u32) {
        self.machines.get_mut(&number).unwrap().desk.disconnected();
        self.introduce(number);
        self.pump(number);
    }

    /// That these may fail so is no wonder, nor that what needs them does.
    fn excuse(&mut self, keys: &[Key], kind: FailureKind) {
        let mut stack = keys.to_vec();
        while let Some(key) = stack.pop() {
            let kinds = self.excused.entry(key).or_default();
            if !kinds.contains(&kind) {
                kinds.push(kind);
                stack.extend(self.dependents.get(&key).into_iter().flatten());
            }
        }
    }

    fn odd(&mut self, client: ClientId, what: Oddity) {
        let Some(state) = self.clients.get(&client) else { return };
        let mut keys: Vec<Key> = state.wanted.keys().copied().collect();
        let live: Vec<WorkerId> =
            self.machines.values().filter(|m| self.by_id.contains_key(&m.id)).map(|m| m.id).collect();
        let some = |random: &mut Random, keys: &[Key]| -> Vec<Key> {
            (0..2.min(keys.len())).map(|_| keys[random.below(keys.len() as u64) as usize]).collect()
        };
        match what {
            Oddity::Cancel { force } => {
                let keys = some(&mut self.random, &keys);
                self.excuse(&keys, FailureKind::Cancelled);
                // Others may name what is forgotten.
                self.excuse(&keys, FailureKind::Unknown);
                self.say(client, FromClient::Cancel { keys, force, reason: "no more".into() });
            }
            Oddity::Retry => {
                keys.retain(|key| matches!(state.wanted[key], Some(Err(_))));
                self.say(client, FromClient::Retry(keys));
            }
            Oddity::Replicate => {
                let keys = some(&mut self.random, &keys);
                let copies = self.random.below(3) as u32;
                self.say(client, FromClient::Replicate { keys, copies, workers: Vec::new() });
            }
            Oddity::Want => {
                let others: Vec<Key> = self.recipes.keys().copied().filter(|key| !keys.contains(key)).collect();
                let mut others = others;
                others.sort_unstable();
                let wanted = some(&mut self.random, &others);
                self.excuse(&wanted, FailureKind::Unknown);
                for key in &wanted {
                    self.clients.get_mut(&client).unwrap().wanted.insert(*key, None);
                }
                self.say(client, FromClient::Want(wanted));
            }
            Oddity::Scatter => {
                if live.is_empty() {
                    return;
                }
                let worker = live[self.random.below(live.len() as u64) as usize];
                let key = Key(u128::from(self.random.next()) << 64 | 5);
                self.recipes.insert(key, (Vec::new(), Kind::Good));
                let value = true_value(&self.recipes, key);
                self.machines.get_mut(&self.by_id[&worker]).unwrap().desk.put(key, value, 1 << 20);
                let reader = Key(key.0 + 1);
                self.recipes.insert(reader, (vec![key], Kind::Good));
                self.dependents.insert(key, vec![reader]);
                self.excuse(&[key], FailureKind::Cancelled);
                self.excuse(&[key], FailureKind::Unknown);
                self.clients.get_mut(&client).unwrap().wanted.insert(key, None);
                self.say(client, FromClient::Scattered(vec![(key, 1 << 20, worker)]));
                let submit = one_task(reader, vec![key], 0);
                let state = self.clients.get_mut(&client).unwrap();
                state.wishes.submitted(&submit);
                state.wanted.insert(reader, None);
                self.say(client, FromClient::Submit(submit));
            }
            Oddity::Redefine => {
                let Some(key) = some(&mut self.random, &keys).first().copied() else { return };
                self.excuse(&[key], FailureKind::Redefined);
                let submit = one_task(key, Vec::new(), 77);
                self.say(client, FromClient::Submit(submit));
            }
            Oddity::Leave => {
                if self.clients.len() > 1 {
                    self.clients.remove(&client);
                    if let Some(scheduler) = &mut self.scheduler {
                        scheduler.client_left(client);
                        self.act();
                    }
                }
            }
            Oddity::Retire => {
                if live.len() > 2 {
                    let worker = live[self.random.below(live.len() as u64) as usize];
                    self.say(client, FromClient::Retire(vec![worker]));
                }
            }
        }
    }

    fn release(&mut self, client: ClientId, key: Key) {
        let state = self.clients.get_mut(&client).unwrap();
        state.wanted.remove(&key);
        state.wishes.released(key);
        self.say(client, FromClient::Release(vec![key]));
    }

    fn say(&mut self, client: ClientId, message: FromClient) {
        if self.scheduler.is_none() {
            return; // the wishes remember it
        }
        let time = self.arrival((true, 1_000_000 + client.0));
        self.at(time, Event::FromClient { epoch: self.epoch, client, message });
    }

    /// Until nothing more happens.
    fn run(&mut self) {
        let mut steps = 0u64;
        while let Some(Reverse((time, sequence))) = self.queue.pop() {
            self.now = self.now.max(time);
            let event = self.events.remove(&sequence).unwrap();
            self.to_come -= usize::from(!matches!(event, Event::Beat));
            if trace() {
                eprintln!("{} {}", self.now, describe(&event));
            }
            if steps > 1_999_900 {
                eprintln!("{} {}", self.now, describe(&event));
            }
            self.happen(event);
            steps += 1;
            assert!(steps < 2_000_000, "it does not come to rest");
        }
    }
}

fn failure(kind: FailureKind, origin: Key, message: &str) -> Arc<Failure> {
    Arc::new(Failure { kind, origin, message: message.to_owned(), exception: Bytes::new() })
}

fn one_task(key: Key, inputs: Vec<Key>, index: u32) -> Submit {
    let blob = Some(BlobId(0));
    let args = Bytes::new();
    Submit {
        blobs: vec![(BlobId(0), Bytes::from_static(b"code"))],
        groups: vec!["one".into()],
        rules: Vec::new(),
        tasks: vec![Task { key, blob, index, args, inputs, nbytes: 8, group: 0, rules: 0, place: 0, wanted: true }],
        again: false,
    }
}

/// Every how many-th state is looked at as a whole.
fn validated_every() -> u64 {
    std::env::var("SELION_VALIDATE_EVERY").ok().and_then(|every| every.parse().ok()).unwrap_or(7)
}

fn trace() -> bool {
    std::env::var_os("SELION_TRACE").is_some()
}

fn true_value(recipes: &HashMap<Key, (Vec<Key>, Kind)>, key: Key) -> u64 {
    let mut value = key.0 as u64;
    for input in &recipes[&key].0 {
        value = value.rotate_left(7) ^ (input.0 as u64).wrapping_mul(31);
    }
    value
}

const RULES: usize = 6;

fn rules_of_chaos() -> Vec<Rules> {
    let named = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    vec![
        Rules { priority: 5, ..Rules::default() },
        Rules { retries: 2, ..Rules::default() },
        Rules { resources: vec![("GPU".into(), 1.0)], priority: -1, ..Rules::default() },
        Rules { workers: named(&["machine-0", "tcp://machine:1", "machine:2"]), ..Rules::default() },
        Rules { workers: named(&["machine-1", "nobody"]), allow_other_workers: true, ..Rules::default() },
        Rules { timeout: 1_500, ..Rules::default() },
    ]
}

/// Random tasks over those before them, in a few submissions of several clients.
fn populate(world: &mut World, tasks: u64, clients: u32, odd: bool) -> BTreeSet<Key> {
    let mut keys: Vec<Key> = Vec::new();
    let mut failing = BTreeSet::new();
    for c in 0..clients {
        let client = ClientId(c);
        world.clients.insert(client, Client::default());
        world.scheduler.as_mut().unwrap().client_joined(client);
    }
    for c in 0..clients {
        let client = ClientId(c);
        let mut own: Vec<Key> = Vec::new();
        let mut submits = Vec::new();
        let mut submit = Submit::default();
        for place in 0..tasks {
            let key = Key(u128::from(world.random.next()) << 64 | u128::from(world.random.next()));
            let fan = world.random.below(4) as usize;
            let mut inputs = Vec::new();
            for _ in 0..fan.min(own.len()) {
                let near = world.random.chance(70);
                let from = if near { own.len().saturating_sub(6) } else { 0 };
                let at = from + world.random.below((own.len() - from) as u64) as usize;
                if !inputs.contains(&own[at]) {
                    inputs.push(own[at]);
                }
            }
            let kind = match world.random.below(100) {
                0..=1 if odd => Kind::Raises,
                2 if odd && !world.chaos => Kind::Kills,
                3..=6 if world.chaos => Kind::Flaky,
                _ => Kind::Good,
            };
            let fails = matches!(kind, Kind::Raises | Kind::Kills);
            if fails || inputs.iter().any(|input| failing.contains(input)) {
                failing.insert(key);
            }
            world.recipes.insert(key, (inputs.clone(), kind));
            let group = world.random.below(3) as u32;
            let mut rules = u32::from(world.random.chance(10));
            for input in &inputs {
                world.dependents.entry(*input).or_default().push(key);
                let inherited = world.excused.get(input).cloned().unwrap_or_default();
                inherited.into_iter().for_each(|kind| world.excuse(&[key], kind));
            }
            if world.chaos {
                rules = if world.random.chance(25) { world.random.below(RULES as u64 + 1) as u32 } else { 0 };
                if kind == Kind::Flaky {
                    rules = 2;
                }
                match rules {
                    3 | 4 => world.excuse(&[key], FailureKind::NoWorker),
                    6 => world.excuse(&[key], FailureKind::TimedOut),
                    _ => {}
                }
            }
            submit.tasks.push(Task {
                key,
                blob: Some(BlobId(u128::from(group))),
                index: 0,
                args: Bytes::new(),
                inputs,
                nbytes: 8,
                group,
                rules,
                place: place as u32,
                wanted: world.random.chance(40),
            });
            own.push(key);
            if world.random.chance(10) || place + 1 == tasks {
                submit.groups = vec!["a".into(), "b".into(), "c".into()];
                submit.blobs = (0..3).map(|b| (BlobId(b), Bytes::from_static(b"code"))).collect();
                submit.rules = rules_of_chaos();
                // What no later submission of this client can name any more must be wanted, or it is forgotten.
                for task in &mut submit.tasks {
                    task.wanted = true;
                }
                submits.push(std::mem::take(&mut submit));
            }
        }
        keys.extend(&own);
        submits.reverse();
        let count = submits.len() as u64;
        world.clients.get_mut(&client).unwrap().pending = submits;
        for k in 0..count {
            world.at(k * 700, Event::Submits { client });
        }
    }
    failing
}

fn check(world: &World, failing: &BTreeSet<Key>) {
    for client in world.clients.values() {
        for (key, state) in &client.wanted {
            match state {
                Some(Ok(_)) => assert!(!failing.contains(key), "{key:?} should have failed"),
                Some(Err(kind)) => {
                    let excused = world.excused.get(key).is_some_and(|kinds| kinds.contains(kind));
                    let deserved = matches!(kind, FailureKind::Raised | FailureKind::KilledWorker);
                    assert!(excused || (failing.contains(key) && deserved), "{key:?} failed without cause: {kind:?}");
                }
                None => {
                    let scheduler = world.scheduler.as_ref().unwrap();
                    panic!("{key:?} never ended: {}", scheduler.explain(*key));
                }
            }
        }
    }
}

fn check_empty_after_release(world: &mut World) {
    let clients: Vec<ClientId> = world.clients.keys().copied().collect();
    for client in clients {
        let keys: Vec<Key> = world.clients[&client].wanted.keys().copied().collect();
        for key in keys {
            world.release(client, key);
        }
        assert!(world.clients[&client].wishes.is_empty(), "the client remembers what it does not want");
    }
    world.run();
    world.now += 200_000_000;
    // Everybody has been heard of meanwhile.
    for id in world.by_id.keys().copied().collect::<Vec<_>>() {
        let scheduler = world.scheduler.as_mut().unwrap();
        scheduler.tick(world.now);
        scheduler.from_worker(id, FromWorker::Status(Default::default()));
    }
    world.happen(Event::Watch);
    world.run();
    assert_eq!(world.scheduler.as_ref().unwrap().summary().tasks, 0, "the scheduler remembers what nobody wants");
    for machine in world.machines.values() {
        assert_eq!(machine.desk.holds(), [], "a worker holds what nobody wants");
    }
}

fn seeds() -> std::ops::Range<u64> {
    if let Ok(seed) = std::env::var("SELION_SEED") {
        let seed = seed.parse().expect("a seed");
        return seed..seed + 1;
    }
    let count = std::env::var("SELION_SIMULATIONS").ok().and_then(|count| count.parse().ok()).unwrap_or(150);
    0..count
}

#[test]
fn all_that_is_wanted_is_made() {
    for seed in seeds() {
        let mut world = World::new(seed, 1 + (seed % 5) as u32);
        let failing = populate(&mut world, 60, 2, false);
        world.run();
        check(&world, &failing);
        let most = world.runs.values().max().copied().unwrap_or(0);
        assert!(most <= 1, "seed {seed}: nothing runs twice without cause");
        check_empty_after_release(&mut world);
    }
}

#[test]
fn what_is_released_meanwhile_does_no_harm() {
    for seed in seeds() {
        let mut world = World::new(seed, 1 + (seed % 4) as u32);
        let failing = populate(&mut world, 60, 3, true);
        world.deaths = true;
        for k in 0..60 {
            let client = ClientId((k % 3) as u32);
            world.at(500 + k * 300, Event::Releases { client });
        }
        world.run();
        check(&world, &failing);
        check_empty_after_release(&mut world);
    }
}

#[test]
fn workers_die_and_come() {
    for seed in seeds() {
        let mut world = World::with(Config { allowed_failures: 100, ..Config::default() }, seed, 3);
        world.deaths = true;
        let failing = populate(&mut world, 80, 2, false);
        for k in 0..6 {
            let time = 1_000 + world.random.below(20_000);
            world.at(time, Event::Kill { machine: k });
            world.at(time + 500, Event::Join);
        }
        world.run();
        check(&world, &failing);
        check_empty_after_release(&mut world);
    }
}

#[test]
fn a_task_that_kills_workers_is_told_from_its_neighbours() {
    for seed in seeds() {
        let mut world = World::new(seed, 3);
        world.deaths = true;
        let failing = populate(&mut world, 80, 2, true);
        world.run();
        check(&world, &failing);
        for (key, victims) in &world.killer_victims {
            assert!(*victims <= 3, "seed {seed}: {key:?} killed {victims}");
        }
        check_empty_after_release(&mut world);
    }
}

#[test]
fn the_scheduler_dies_and_comes_back() {
    for seed in seeds() {
        let mut world = World::new(seed, 3);
        world.scheduler_deaths = 1;
        let failing = populate(&mut world, 80, 2, seed % 2 == 0);
        let time = 2_000 + world.random.below(20_000);
        world.at(time, Event::SchedulerDies);
        world.run();
        check(&world, &failing);
        if seed % 2 == 1 {
            let most = world.runs.values().max().copied().unwrap_or(0);
            assert!(most <= 1, "seed {seed}: what was done or had begun is not done again");
        }
        check_empty_after_release(&mut world);
    }
}

#[test]
fn a_retiring_worker_leaves_nothing_behind() {
    for seed in seeds() {
        let mut world = World::new(seed, 3);
        let failing = populate(&mut world, 60, 1, false);
        let time = 3_000 + world.random.below(10_000);
        while world.queue.peek().is_some_and(|Reverse((at, _))| *at < time) {
            let Reverse((at, sequence)) = world.queue.pop().unwrap();
            world.now = world.now.max(at);
            let event = world.events.remove(&sequence).unwrap();
            world.to_come -= 1;
            world.happen(event);
        }
        let id = world.machines[&0].id;
        world.say(ClientId(0), FromClient::Retire(vec![id]));
        world.run();
        assert!(!world.machines.contains_key(&0), "seed {seed}: it has left");
        check(&world, &failing);
        let most = world.runs.values().max().copied().unwrap_or(0);
        assert!(most <= 1, "seed {seed}: nothing ran twice");
        check_empty_after_release(&mut world);
    }
}

/// All of it at once: whatever happens, what is wanted comes, or fails for a reason.
#[test]
fn chaos() {
    for seed in seeds() {
        let config =
            Config { allowed_failures: 100, worker_ttl: 20_000, no_workers_timeout: 50_000, unclaimed_ttl: 60_000 };
        let mut world = World::with(config, seed, 3);
        world.chaos = true;
        let failing = populate(&mut world, 50, 2, seed % 3 == 0);
        world.at(1_000, Event::Beat);
        for _ in 0..world.random.below(10) {
            let time = 500 + world.random.below(25_000);
            let lasts = 500 + world.random.below(60_000);
            let machine = world.random.below(4) as u32;
            let client = ClientId(world.random.below(2) as u32);
            let other = world.random.below(4) as u32;
            let odd = |what| Event::Odd { client, what };
            let event = match world.random.below(17) {
                0 | 1 => {
                    world.at(time + lasts, Event::Heal { machine });
                    Event::Cut { machine }
                }
                2 | 3 => Event::Freeze { machine, micros: lasts },
                4 | 5 => {
                    world.at(time + lasts, Event::Part { a: machine, b: other, parted: false });
                    Event::Part { a: machine, b: other, parted: true }
                }
                6 => {
                    world.at(time + lasts, Event::Pause { machine, paused: false });
                    Event::Pause { machine, paused: true }
                }
                7 => {
                    world.at(time + 500, Event::Join);
                    Event::Kill { machine }
                }
                8 => {
                    world.excuse(&world.recipes.keys().copied().collect::<Vec<_>>(), FailureKind::Unknown);
                    Event::SchedulerDies
                }
                9 => odd(Oddity::Cancel { force: seed % 2 == 0 }),
                10 => odd(Oddity::Retry),
                11 => odd(Oddity::Replicate),
                12 => odd(Oddity::Want),
                13 => odd(Oddity::Scatter),
                14 => odd(Oddity::Redefine),
                15 => odd(Oddity::Leave),
                _ => odd(Oddity::Retire),
            };
            world.at(time, event);
        }
        let seeded = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            world.run();
            check(&world, &failing);
            check_empty_after_release(&mut world);
        }));
        if let Err(panic) = seeded {
            eprintln!("seed {seed}");
            std::panic::resume_unwind(panic);
        }
    }
}

fn describe(event: &Event) -> String {
    match event {
        Event::ToScheduler { worker, messages, .. } => format!("{worker:?} says {messages:?}"),
        Event::ToWorker { worker, messages, .. } => format!("{worker:?} hears {messages:?}"),
        Event::FromClient { client, message, .. } => format!("{client:?} says {message:?}"),
        Event::ToClient { client, messages, .. } => format!("{client:?} hears {messages:?}"),
        Event::TaskEnds { machine, key, .. } => format!("{key:?} ends on {machine}"),
        Event::Cut { machine } => format!("{machine} is cut off"),
        Event::Heal { machine } => format!("{machine} is reached again"),
        Event::Freeze { machine, micros } => format!("{machine} freezes for {micros}"),
        Event::Thaw { machine } => format!("{machine} thaws"),
        Event::Part { a, b, parted } => format!("{a} and {b}: parted {parted}"),
        Event::Pause { machine, paused } => format!("{machine}: paused {paused}"),
        Event::SchedulerDies => "the scheduler dies".to_owned(),
        Event::Beat => "beat".to_owned(),
        Event::Submits { client } => format!("{client:?} submits"),
        Event::Fetched { machine, from, key } => format!("{machine} fetches {key:?} from {from:?}"),
        Event::Kill { machine } => format!("{machine} dies"),
        _ => "something else".to_owned(),
    }
}
