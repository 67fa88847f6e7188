//! The headers of the frames, encoded with MessagePack.

use std::io;

use bytes::Bytes;
use selion_scheduler::message::{FromClient, FromWorker, Status, ToClient, ToWorker, WorkerInfo};
use selion_scheduler::{ClientId, Key, WorkerId};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// To a scheduler.
#[derive(Debug, Serialize, Deserialize)]
pub enum ToScheduler {
    /// The first words of a client: its name.
    ClientHello(String),
    /// The first words of a worker.
    WorkerHello(WorkerInfo),
    /// From a client.
    Client(Vec<FromClient>),
    /// From a worker.
    Worker(Vec<FromWorker>),
    /// Something that is answered, with the number that the answer repeats.
    Request(u64, Request),
    /// A worker or client says that it goes.
    Goodbye,
    /// The only words of a process that looks after a worker: what it calls it, and how it ended.
    WorkerDied(String, String),
}

/// From a scheduler.
#[derive(Debug, Serialize, Deserialize)]
pub enum FromScheduler {
    /// The answer to a client's hello.
    WelcomeClient(ClientId),
    /// The answer to a worker's hello.
    WelcomeWorker(WorkerId),
    /// To a client.
    Client(Vec<ToClient>),
    /// To a worker.
    Worker(Vec<ToWorker>),
    /// Workers that have come, with their addresses, and that have gone.
    Workers(Vec<(WorkerId, Option<String>)>),
    /// The answer to a request.
    Reply(u64, Reply),
}

/// What a scheduler can be asked.
#[derive(Debug, Serialize, Deserialize)]
pub enum Request {
    /// Numbers and workers.
    Info,
    /// What workers hold, and what they have to do.
    Contents,
    /// About one task, for people.
    Explain(Key),
    /// A value under a name, for other clients: set, if there is none or `replace`; whether it was.
    SetData {
        /// The name.
        name: String,
        /// What it is; none to remove it.
        value: Option<Bytes>,
        /// Whether another value gives way.
        replace: bool,
    },
    /// The value under a name.
    GetData(String),
    /// All names that begin so.
    ListData(String),
    /// A step of one of the things that clients and tasks share: locks, semaphores, events, queues, variables.
    Share(Share),
    /// The scheduler is to end, with its workers.
    Shutdown,
}

/// Steps of shared things; those that must wait are answered when they are done, or their time is over.
#[derive(Debug, Serialize, Deserialize)]
pub enum Share {
    /// Takes one of `permits` leases of a semaphore; a lock is one of 1.
    Acquire {
        /// The semaphore.
        name: String,
        /// How many leases there are, if it is new.
        permits: u32,
        /// Microseconds to wait; none for ever.
        timeout: Option<u64>,
    },
    /// Gives a lease back.
    Release(String),
    /// How many leases are out.
    Leases(String),
    /// Sets an event, or clears it.
    SetEvent(String, bool),
    /// Waits until an event is set.
    WaitEvent(String, Option<u64>),
    /// Whether an event is set.
    IsSet(String),
    /// Puts something into a queue of at most `maxsize` (0: any number) things.
    Put {
        /// The queue.
        name: String,
        /// The thing.
        value: Bytes,
        /// Its size, if it is new.
        maxsize: u32,
        /// Microseconds to wait for room.
        timeout: Option<u64>,
    },
    /// Takes up to `count` things out of a queue: waits for the first.
    Take {
        /// The queue.
        name: String,
        /// How many at most.
        count: u32,
        /// Microseconds to wait.
        timeout: Option<u64>,
    },
    /// How many things are in a queue.
    Size(String),
    /// Sets a variable.
    SetVariable(String, Bytes),
    /// Waits for a variable to be set.
    GetVariable(String, Option<u64>),
    /// Removes a variable.
    DeleteVariable(String),
}

/// What a scheduler answers.
#[derive(Debug, Serialize, Deserialize)]
pub enum Reply {
    /// To `Info`.
    Info(Info),
    /// To `Contents`: per worker, keys held and keys to do.
    Contents(Vec<(WorkerId, Vec<Key>, Vec<Key>)>),
    /// A text.
    Text(String),
    /// A truth.
    Bool(bool),
    /// A number.
    Count(u64),
    /// Bytes, if there are any.
    Data(Option<Bytes>),
    /// Several.
    Many(Vec<Bytes>),
    /// Names.
    Names(Vec<String>),
    /// It waited as long as it was told, in vain.
    TimedOut,
    /// It cannot be done.
    Error(String),
}

/// A scheduler and its workers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Info {
    /// Of selion.
    pub version: String,
    /// Microseconds since 1970 by the clock of its machine.
    pub clock: u64,
    /// The link to its status page; empty if there is none.
    pub dashboard: String,
    /// Microseconds since it started.
    pub up: u64,
    /// Tasks that it remembers, and has seen done.
    pub tasks: u64,
    /// Tasks that have run.
    pub done: u64,
    /// Tasks that wait for a worker.
    pub queued: u64,
    /// Tasks on workers.
    pub processing: u64,
    /// Values in memory.
    pub in_memory: u64,
    /// Tasks that failed.
    pub failed: u64,
    /// Expected seconds of work.
    pub expected_seconds: f64,
    /// Its workers.
    pub workers: Vec<WorkerEntry>,
}

/// A worker, as the scheduler knows it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WorkerEntry {
    /// Its number.
    pub id: WorkerId,
    /// What it said of itself.
    pub info: WorkerInfo,
    /// How it is.
    pub status: Status,
    /// Tasks that it has.
    pub processing: u64,
    /// Values that it holds.
    pub holds: u64,
    /// Bytes of those.
    pub held_bytes: u64,
    /// Microseconds since it was heard of.
    pub silent: u64,
}

/// To a worker, from a peer or client.
#[derive(Debug, Serialize, Deserialize)]
pub enum ToPeer {
    /// Give a value.
    Get(Key),
    /// Keep the value in the frame's buffers, the first of which is its header.
    Put(Key),
    /// Run a function at once, outside of all tasks: the arguments.
    Call(Bytes, Bytes),
}

/// From a worker, to a peer or client.
#[derive(Debug, Serialize, Deserialize)]
pub enum FromPeer {
    /// The value is in the frame's buffers, the first of which is its header.
    Value {
        /// Its size in memory.
        nbytes: u64,
    },
    /// It is kept: its size in memory.
    Stored(u64),
    /// It is not here.
    Missing,
    /// It cannot be encoded, decoded, or run.
    Failed(Box<selion_scheduler::message::Failure>),
}

/// The header of a frame.
pub(crate) fn encode<T: Serialize>(message: &T) -> io::Result<Bytes> {
    rmp_serde::to_vec(message).map(Bytes::from).map_err(io::Error::other)
}

/// What a header says.
pub(crate) fn decode<T: DeserializeOwned>(header: &[u8]) -> io::Result<T> {
    rmp_serde::from_slice(header).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use selion_scheduler::message::{Submit, Task};

    use super::*;

    fn anything(bytes: &[u8]) {
        let _ = decode::<ToScheduler>(bytes);
        let _ = decode::<FromScheduler>(bytes);
        let _ = decode::<ToPeer>(bytes);
        let _ = decode::<FromPeer>(bytes);
    }

    fn submission() -> Vec<u8> {
        let task = Task {
            key: Key(7),
            blob: None,
            index: 1,
            args: Bytes::from_static(b"args"),
            inputs: vec![Key(1), Key(2)],
            nbytes: 8,
            group: 0,
            rules: 0,
            place: 0,
            wanted: true,
        };
        let submit = Submit { groups: vec!["inc".into()], tasks: vec![task; 5], ..Submit::default() };
        encode(&ToScheduler::Client(vec![FromClient::Submit(submit)])).unwrap().to_vec()
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_message_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            anything(&bytes);
        }

        #[test]
        fn damaged_messages_are_messages_or_errors(
            damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
            end in any::<prop::sample::Index>(),
        ) {
            let mut bytes = submission();
            for (at, byte) in damage {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
            anything(&bytes);
            anything(&bytes[..end.index(bytes.len())]);
        }
    }

    #[test]
    fn neither_lengths_nor_depth_cost_anything() {
        anything(&[0xdd, 0xff, 0xff, 0xff, 0xff]); // an array of four thousand million
        anything(&[0xc6, 0xff, 0xff, 0xff, 0xff]); // as many bytes
        anything(&vec![0x91; 1 << 20]); // arrays in arrays
        anything(&vec![0x81; 1 << 20]);
    }
}
