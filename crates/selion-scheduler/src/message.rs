//! What scheduler, workers and clients say to each other.
//!
//! The same types are the events and actions of the state machines and the headers of the frames on the wire. Functions,
//! arguments, values and exceptions are bytes that only the two ends understand.

use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::{BlobId, Key, Priority, WorkerId};

/// A task as a client describes it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Task {
    /// Its identity.
    pub key: Key,
    /// The function or plan that it is a call of; none for data that was put on workers.
    pub blob: Option<BlobId>,
    /// Which task of the plan, if it is a plan.
    pub index: u32,
    /// The arguments of the call.
    pub args: Bytes,
    /// The tasks whose values it reads, in the order in which it expects them.
    pub inputs: Vec<Key>,
    /// About how large its value will be; 0 if nothing is known.
    pub nbytes: u64,
    /// The index into [`Submit::groups`] of what it is called with others of its kind.
    pub group: u32,
    /// The index into [`Submit::rules`], plus one; 0 for none.
    pub rules: u32,
    /// The place in the order within its submission.
    pub place: u32,
    /// Whether the client wants its value, not only that of tasks which read it.
    pub wanted: bool,
}

/// How a task is to be run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Rules {
    /// Higher runs first.
    pub priority: i32,
    /// How often a task that raised is tried again.
    pub retries: u32,
    /// Names, hosts or addresses of the workers that may run it; empty for all.
    pub workers: Vec<String>,
    /// Whether `workers` is only a wish.
    pub allow_other_workers: bool,
    /// What it takes, while it runs, of things that workers have in limited number.
    pub resources: Vec<(String, f64)>,
    /// Microseconds after which it is stopped; 0 for never.
    pub timeout: u64,
    /// Whether its value is an actor: an object that lives on one worker.
    pub actor: bool,
}

/// A number of tasks; their inputs are among them, or known to the scheduler.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Submit {
    /// The functions and plans that the tasks are calls of, those that the client has not sent before.
    pub blobs: Vec<(BlobId, Bytes)>,
    /// What tasks are called, such as `inc`.
    pub groups: Vec<Arc<str>>,
    /// How tasks are to be run.
    pub rules: Vec<Rules>,
    /// The tasks, each after its inputs.
    pub tasks: Vec<Task>,
    /// Whether another scheduler has been told before: workers may hold or run some of it, and may come a little later.
    pub again: bool,
}

/// Why there is no value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Failure {
    /// What kind of failure.
    pub kind: FailureKind,
    /// The task where it happened; its dependents fail with the same failure.
    pub origin: Key,
    /// For people: what happened, and where.
    pub message: String,
    /// The exception as the runtime that raised it has encoded it; empty if there is none.
    pub exception: Bytes,
}

/// The kinds of failures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum FailureKind {
    /// The function raised.
    Raised,
    /// Workers died while they ran it, more often than is allowed.
    KilledWorker,
    /// It was cancelled; the message says by whom and why.
    Cancelled,
    /// No worker may run it.
    NoWorker,
    /// It was stopped because it ran for longer than its timeout.
    TimedOut,
    /// The key is known with another definition.
    Redefined,
    /// Something it needs is not known to the scheduler.
    Unknown,
}

/// From a client to the scheduler.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum FromClient {
    /// New tasks.
    Submit(Submit),
    /// Values that were put on workers: the key, its size, and who holds it.
    Scattered(Vec<(Key, u64, WorkerId)>),
    /// The client wants these, which others have submitted.
    Want(Vec<Key>),
    /// The client no longer wants these.
    Release(Vec<Key>),
    /// As `Release`, and what was not started for the client's sake alone is stopped, with all that needs it.
    Cancel {
        /// What is not to be done.
        keys: Vec<Key>,
        /// Whether other clients' wishes are overruled.
        force: bool,
        /// Why.
        reason: String,
    },
    /// Failed tasks are to be tried again, with the failed ones that they need.
    Retry(Vec<Key>),
    /// Who holds the values of these?
    WhoHas(Vec<Key>),
    /// Workers are to hold `copies` copies of each value, among `workers` if any are named.
    Replicate {
        /// Of which tasks.
        keys: Vec<Key>,
        /// How many; 0 for as many as there are workers.
        copies: u32,
        /// Where.
        workers: Vec<WorkerId>,
    },
    /// Workers are to end, their values moved to others first.
    Retire(Vec<WorkerId>),
}

/// From the scheduler to a client.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum ToClient {
    /// The value is there; small ones travel along.
    Done {
        /// Of which task.
        key: Key,
        /// Its size.
        nbytes: u64,
        /// The encoded value, if it is small.
        value: Option<Bytes>,
        /// One worker that holds it, if one does.
        worker: Option<WorkerId>,
    },
    /// There will be no value.
    Failed {
        /// Of which task.
        key: Key,
        /// Why.
        failure: Arc<Failure>,
    },
    /// The value was there and is lost; it will be made again.
    Lost(Key),
    /// Failed before, tried again.
    Pending(Key),
    /// The answer to [`FromClient::WhoHas`].
    Holders(Vec<(Key, Vec<WorkerId>)>),
}

/// Where a worker finds an input.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Source {
    /// It holds it, or makes it before.
    Here,
    /// The value itself.
    Value(Bytes),
    /// From one of these.
    Peers(Vec<WorkerId>),
}

/// A task as a worker gets it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Assignment {
    /// Its identity.
    pub key: Key,
    /// How often it was assigned before; what the worker says about it repeats the number.
    pub attempt: u32,
    /// Its place in the order.
    pub priority: Priority,
    /// The function or plan.
    pub blob: BlobId,
    /// Which task of the plan.
    pub index: u32,
    /// The arguments.
    pub args: Bytes,
    /// The inputs: key, size, and where they are.
    pub inputs: Vec<(Key, u64, Source)>,
    /// About how large the value will be.
    pub nbytes: u64,
    /// Microseconds after which it is to be stopped; 0 for never.
    pub timeout: u64,
    /// Whether the value is an actor.
    pub actor: bool,
}

/// From the scheduler to a worker.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum ToWorker {
    /// A function or plan, sent before the first task that needs it.
    Blob(BlobId, Bytes),
    /// A function or plan that no task will need.
    DropBlob(BlobId),
    /// A task to run.
    Run(Assignment),
    /// These values are no longer needed.
    Drop(Vec<Key>),
    /// Give this task back if it has not begun.
    Recall(Key),
    /// Stop a running task: it fails with the reason.
    Interrupt(Key, String),
    /// Get a copy of a value from one of these workers.
    Acquire(Key, u64, Vec<WorkerId>),
    /// Where a worker is found.
    Peer(WorkerId, String),
    /// A worker that is no longer there.
    PeerGone(WorkerId),
    /// End: all is done and moved.
    Close,
}

/// From a worker to the scheduler.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum FromWorker {
    /// A task has run.
    Done {
        /// Which.
        key: Key,
        /// Of its assignment.
        attempt: u32,
        /// The size of its value.
        nbytes: u64,
        /// How long it ran.
        micros: u64,
        /// The encoded value, if it is small.
        value: Option<Bytes>,
    },
    /// A task has failed.
    Failed {
        /// Which.
        key: Key,
        /// Of its assignment.
        attempt: u32,
        /// How long it ran.
        micros: u64,
        /// Why.
        failure: Arc<Failure>,
    },
    /// The answer to [`ToWorker::Recall`]: the attempt, and whether it was given back.
    Recalled(Key, u32, bool),
    /// A task cannot run because an input could not be had; it is given back. Who was asked in vain, if anyone was.
    Lacking {
        /// The task.
        key: Key,
        /// Of its assignment.
        attempt: u32,
        /// The input.
        input: Key,
        /// The workers that did not give it.
        from: Vec<WorkerId>,
    },
    /// The task of a key, and attempt, waits for something else and needs no thread meanwhile; or does again.
    Seceded(Key, u32, bool),
    /// A copy has arrived.
    Acquired(Key),
    /// A copy that was asked for could not be had.
    NotAcquired(Key),
    /// How it is.
    Status(Status),
    /// It wants to end, once its values are elsewhere.
    Leave,
}

/// How a worker is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// Bytes of the process.
    pub memory: u64,
    /// Bytes of the values it holds in memory.
    pub held: u64,
    /// Bytes on disk.
    pub spilled: u64,
    /// Hundredths of one core, as an average since the last time.
    pub cpu: u32,
    /// Whether it takes no more tasks until memory is free.
    pub paused: bool,
}

/// What a worker says of itself when it comes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct WorkerInfo {
    /// A name for people, and for [`Rules::workers`].
    pub name: String,
    /// Where peers and clients find it.
    pub address: String,
    /// How many tasks run at once.
    pub nthreads: u32,
    /// How many bytes it may use; 0 for no limit.
    pub memory_limit: u64,
    /// What it has in limited number.
    pub resources: Vec<(String, f64)>,
    /// What the process that looks after it calls it, and will say how it ended; empty if there is none.
    pub instance: String,
    /// Values that it holds from before, with their sizes.
    pub holds: Vec<(Key, u64)>,
    /// Tasks that it was given before and has not finished, with the attempt.
    pub runs: Vec<(Key, u32)>,
}
