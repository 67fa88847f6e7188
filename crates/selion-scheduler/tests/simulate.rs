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
    Failure, FailureKind, FromClient, FromWorker, Rules, Submit, Task, ToClient, ToWorker, WorkerInfo,
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
    ToScheduler { epoch: u32, worker: WorkerId, messages: Vec<FromWorker> },
    ToWorker { epoch: u32, worker: WorkerId, messages: Vec<ToWorker> },
    FromClient { epoch: u32, client: ClientId, message: FromClient },
    ToClient { epoch: u32, client: ClientId, messages: Vec<ToClient> },
    TaskEnds { machine: u32, key: Key },
    Fetched { machine: u32, from: WorkerId, key: Key },
    Kill { machine: u32 },
    Join,
    SchedulerDies,
    SchedulerComesBack,
    Releases { client: ClientId },
    Submits { client: ClientId },
    Watch,
}

/// A worker process. Its number stays when the scheduler calls it by another.
struct Machine {
    desk: Desk<u64>,
    nthreads: usize,
    running: BTreeMap<Key, (Vec<u64>, u32)>,
    id: WorkerId,
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
}

#[derive(Clone, Copy, PartialEq, Debug)]
enum Kind {
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
            scheduler: Some(Scheduler::new(config)),
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
        let machine = Machine { desk: Desk::default(), nthreads, running: BTreeMap::new(), id: WorkerId(u32::MAX) };
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
            ..WorkerInfo::default()
        };
        scheduler.tick(self.now);
        scheduler.worker_joined(id, info);
        self.act();
    }

    fn act(&mut self) {
        let Some(scheduler) = &mut self.scheduler else { return };
        let actions = scheduler.actions();
        scheduler.validate();
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
                Action::Disconnect(_) => panic!("everybody is heard of"),
                Action::Log(_) => {}
            }
        }
    }

    /// A machine says what it has to say, and begins what it can begin.
    fn pump(&mut self, number: u32) {
        let Some(machine) = self.machines.get_mut(&number) else { return };
        let mut started = Vec::new();
        while machine.running.len() < machine.nthreads {
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
            machine.running.insert(key, (inputs, start.assignment.attempt));
            started.push(key);
        }
        // Without a scheduler what is to be said stays; half of the machines say it to the next one.
        let keeps = self.scheduler.is_none() && number % 2 == 0;
        let messages = if keeps { Vec::new() } else { machine.desk.take_outbox() };
        let fetches = machine.desk.take_fetches();
        let id = machine.id;
        for key in started {
            *self.runs.entry(key).or_insert(0) += 1;
            if !self.deaths && self.scheduler_deaths == 0 {
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
            let time = self.now + 1 + self.random.below(3_000);
            self.at(time, Event::TaskEnds { machine: number, key });
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
                if epoch != self.epoch || !self.by_id.contains_key(&worker) {
                    return;
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
                for message in messages {
                    self.machines.get_mut(&number).unwrap().desk.accept(message);
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
                let Some(scheduler) = &mut self.scheduler else { return };
                scheduler.tick(self.now);
                scheduler.from_client(client, message);
                self.act();
            }
            Event::ToClient { epoch, client, messages } => {
                if epoch != self.epoch {
                    return;
                }
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
            }
            Event::TaskEnds { machine: number, key } => {
                let Some(machine) = self.machines.get_mut(&number) else { return };
                let Some((inputs, _)) = machine.running.remove(&key) else { return };
                let (recipe, kind) = &self.recipes[&key];
                let expected: Vec<u64> = recipe.iter().map(|input| true_value(&self.recipes, *input)).collect();
                assert_eq!(inputs, expected, "the inputs of {key:?}");
                if *kind == Kind::Raises {
                    let failure = Failure {
                        kind: FailureKind::Raised,
                        origin: key,
                        message: "no".into(),
                        exception: Bytes::new(),
                    };
                    machine.desk.failed(key, 10, Arc::new(failure));
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
                let value =
                    self.by_id.get(&from).and_then(|peer| self.machines[peer].desk.value(key)).map(|(v, n)| (*v, n));
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
                self.scheduler = None;
                self.epoch += 1;
                self.by_id.clear();
                for machine in self.machines.values_mut() {
                    machine.desk.disconnected();
                }
                let numbers: Vec<u32> = self.machines.keys().copied().collect();
                for number in numbers {
                    self.pump(number);
                }
                let time = self.now + 5_000;
                self.at(time, Event::SchedulerComesBack);
            }
            Event::SchedulerComesBack => {
                self.scheduler = Some(Scheduler::new(Config::default()));
                let numbers: Vec<u32> = self.machines.keys().copied().collect();
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
                    self.act();
                }
                let time = self.now + 700_000;
                self.at(time, Event::Watch);
            }
            Event::Submits { client } => {
                let Some(mut submit) = self.clients.get_mut(&client).unwrap().pending.pop() else { return };
                let state = self.clients.get_mut(&client).unwrap();
                // What it has let go of it cannot name any more.
                let mut named: BTreeSet<Key> = BTreeSet::new();
                submit.tasks.retain(|task| {
                    let can = task.inputs.iter().all(|input| named.contains(input) || state.wishes.knows(*input));
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
                let keys: Vec<Key> = self.clients[&client].wanted.keys().copied().collect();
                if keys.is_empty() {
                    return;
                }
                let key = keys[self.random.below(keys.len() as u64) as usize];
                self.release(client, key);
            }
            Event::Watch => {
                if let Some(scheduler) = &mut self.scheduler {
                    scheduler.tick(self.now);
                    scheduler.watch();
                    self.act();
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
            if steps > 1_999_900 {
                eprintln!("{} {}", self.now, describe(&event));
            }
            self.happen(event);
            steps += 1;
            assert!(steps < 2_000_000, "it does not come to rest");
        }
    }
}

fn true_value(recipes: &HashMap<Key, (Vec<Key>, Kind)>, key: Key) -> u64 {
    let mut value = key.0 as u64;
    for input in &recipes[&key].0 {
        value = value.rotate_left(7) ^ (input.0 as u64).wrapping_mul(31);
    }
    value
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
                2 if odd => Kind::Kills,
                _ => Kind::Good,
            };
            if kind != Kind::Good || inputs.iter().any(|input| failing.contains(input)) {
                failing.insert(key);
            }
            world.recipes.insert(key, (inputs.clone(), kind));
            let group = world.random.below(3) as u32;
            let rules = u32::from(world.random.chance(10));
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
                submit.rules = vec![Rules { priority: 5, ..Rules::default() }];
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
                    assert!(failing.contains(key), "{key:?} failed without cause: {kind:?}");
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

fn describe(event: &Event) -> String {
    match event {
        Event::ToScheduler { worker, messages, .. } => format!("{worker:?} says {messages:?}"),
        Event::ToWorker { worker, messages, .. } => format!("{worker:?} hears {messages:?}"),
        Event::FromClient { client, message, .. } => format!("{client:?} says {message:?}"),
        Event::ToClient { client, messages, .. } => format!("{client:?} hears {messages:?}"),
        Event::TaskEnds { machine, key } => format!("{key:?} ends on {machine}"),
        Event::Fetched { machine, from, key } => format!("{machine} fetches {key:?} from {from:?}"),
        Event::Kill { machine } => format!("{machine} dies"),
        _ => "something else".to_owned(),
    }
}
