//! Things that clients and tasks share by name: data, locks and semaphores, events, queues, variables.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::{Duration, Instant};

use bytes::Bytes;
use selion_scheduler::ClientId;

use crate::link::Writer;
use crate::server::send;
use crate::wire::{FromScheduler, Reply, Share};

/// Somebody who waits for an answer.
struct Waiter {
    client: ClientId,
    number: u64,
    writer: Writer,
    until: Option<Instant>,
}

impl Waiter {
    fn answer(&self, reply: Reply) {
        send(&self.writer, &FromScheduler::Reply(self.number, reply));
    }
}

#[derive(Default)]
struct Semaphore {
    permits: u32,
    holders: Vec<ClientId>,
    waiting: VecDeque<Waiter>,
}

#[derive(Default)]
struct Event {
    set: bool,
    waiting: VecDeque<Waiter>,
}

#[derive(Default)]
struct Queue {
    maxsize: usize,
    things: VecDeque<Bytes>,
    takers: VecDeque<(Waiter, usize)>,
    putters: VecDeque<(Waiter, Bytes)>,
}

#[derive(Default)]
struct Variable {
    value: Option<Bytes>,
    waiting: VecDeque<Waiter>,
}

/// All of them.
#[derive(Default)]
pub(crate) struct Shares {
    data: BTreeMap<String, Bytes>,
    semaphores: HashMap<String, Semaphore>,
    events: HashMap<String, Event>,
    queues: HashMap<String, Queue>,
    variables: HashMap<String, Variable>,
}

impl Shares {
    pub(crate) fn set_data(&mut self, name: String, value: Option<Bytes>, replace: bool) -> bool {
        match value {
            None => self.data.remove(&name).is_some(),
            Some(_) if !replace && self.data.contains_key(&name) => false,
            Some(value) => {
                self.data.insert(name, value);
                true
            }
        }
    }

    pub(crate) fn data(&self, name: &str) -> Option<Bytes> {
        self.data.get(name).cloned()
    }

    pub(crate) fn names(&self, prefix: &str) -> Vec<String> {
        self.data.keys().filter(|name| name.starts_with(prefix)).cloned().collect()
    }

    /// Does one step; answers at once, or when it can be done.
    pub(crate) fn step(&mut self, client: ClientId, number: u64, writer: &Writer, share: Share) {
        let waiter = |timeout: Option<u64>| Waiter {
            client,
            number,
            writer: writer.clone(),
            until: timeout.map(|micros| Instant::now() + Duration::from_micros(micros.min(1 << 50))),
        };
        match share {
            Share::Acquire { name, permits, timeout } => {
                let semaphore = self.semaphores.entry(name).or_default();
                semaphore.permits = semaphore.permits.max(permits);
                semaphore.waiting.push_back(waiter(timeout));
                semaphore.advance();
            }
            Share::Release(name) => {
                let semaphore = self.semaphores.entry(name).or_default();
                // A lease may be given back by another client than took it: a task that was moved.
                let at = semaphore.holders.iter().position(|holder| *holder == client);
                let held = at.or(semaphore.holders.len().checked_sub(1));
                if let Some(at) = held {
                    semaphore.holders.remove(at);
                }
                waiter(None).answer(Reply::Bool(held.is_some()));
                semaphore.advance();
            }
            Share::Leases(name) => {
                let leases = self.semaphores.get(&name).map_or(0, |semaphore| semaphore.holders.len());
                waiter(None).answer(Reply::Count(leases as u64));
            }
            Share::SetEvent(name, set) => {
                let event = self.events.entry(name).or_default();
                event.set = set;
                if set {
                    event.waiting.drain(..).for_each(|waiter| waiter.answer(Reply::Bool(true)));
                }
                waiter(None).answer(Reply::Bool(true));
            }
            Share::WaitEvent(name, timeout) => {
                let event = self.events.entry(name).or_default();
                if event.set {
                    waiter(None).answer(Reply::Bool(true));
                } else {
                    event.waiting.push_back(waiter(timeout));
                }
            }
            Share::IsSet(name) => {
                waiter(None).answer(Reply::Bool(self.events.get(&name).is_some_and(|event| event.set)));
            }
            Share::Put { name, value, maxsize, timeout } => {
                let queue = self.queues.entry(name).or_default();
                queue.maxsize = queue.maxsize.max(maxsize as usize);
                queue.putters.push_back((waiter(timeout), value));
                queue.advance();
            }
            Share::Take { name, count, timeout } => {
                let queue = self.queues.entry(name).or_default();
                queue.takers.push_back((waiter(timeout), count.max(1) as usize));
                queue.advance();
            }
            Share::Size(name) => {
                let size = self.queues.get(&name).map_or(0, |queue| queue.things.len());
                waiter(None).answer(Reply::Count(size as u64));
            }
            Share::SetVariable(name, value) => {
                let variable = self.variables.entry(name).or_default();
                variable.waiting.drain(..).for_each(|waiter| waiter.answer(Reply::Data(Some(value.clone()))));
                variable.value = Some(value);
                waiter(None).answer(Reply::Bool(true));
            }
            Share::GetVariable(name, timeout) => {
                let variable = self.variables.entry(name).or_default();
                match &variable.value {
                    Some(value) => waiter(None).answer(Reply::Data(Some(value.clone()))),
                    None => variable.waiting.push_back(waiter(timeout)),
                }
            }
            Share::DeleteVariable(name) => {
                self.variables.entry(name).or_default().value = None;
                waiter(None).answer(Reply::Bool(true));
            }
        }
    }

    /// Answers those whose time is over.
    pub(crate) fn expire(&mut self) {
        let now = Instant::now();
        let alive = |waiter: &Waiter| {
            let over = waiter.until.is_some_and(|until| until <= now);
            if over {
                waiter.answer(Reply::TimedOut);
            }
            !over
        };
        self.retain(alive);
    }

    /// A client has gone, with all it waited for and held.
    pub(crate) fn client_left(&mut self, client: ClientId) {
        self.retain(|waiter| waiter.client != client);
        for semaphore in self.semaphores.values_mut() {
            semaphore.holders.retain(|holder| *holder != client);
            semaphore.advance();
        }
    }

    fn retain(&mut self, keep: impl Fn(&Waiter) -> bool) {
        self.semaphores.values_mut().for_each(|semaphore| semaphore.waiting.retain(&keep));
        self.events.values_mut().for_each(|event| event.waiting.retain(&keep));
        self.variables.values_mut().for_each(|variable| variable.waiting.retain(&keep));
        for queue in self.queues.values_mut() {
            queue.takers.retain(|(waiter, _)| keep(waiter));
            queue.putters.retain(|(waiter, _)| keep(waiter));
        }
    }
}

impl Semaphore {
    fn advance(&mut self) {
        while self.holders.len() < self.permits.max(1) as usize {
            let Some(waiter) = self.waiting.pop_front() else { return };
            self.holders.push(waiter.client);
            waiter.answer(Reply::Bool(true));
        }
    }
}

impl Queue {
    fn advance(&mut self) {
        loop {
            let mut moved = false;
            while (self.maxsize == 0 || self.things.len() < self.maxsize)
                && let Some((waiter, thing)) = self.putters.pop_front()
            {
                self.things.push_back(thing);
                waiter.answer(Reply::Bool(true));
                moved = true;
            }
            if !self.things.is_empty()
                && let Some((waiter, count)) = self.takers.pop_front()
            {
                let count = count.min(self.things.len());
                waiter.answer(Reply::Many(self.things.drain(..count).collect()));
                moved = true;
            }
            if !moved {
                return;
            }
        }
    }
}
