//! Messages survive the codec that the cluster uses, and bytes that are no message do no harm.

use std::sync::Arc;

use bytes::Bytes;
use proptest::collection::vec;
use proptest::prelude::*;
use selion_scheduler::message::{
    Assignment, Failure, FailureKind, FromClient, FromWorker, Rules, Source, Status, Submit, Task, ToClient, ToWorker,
    WorkerInfo,
};
use selion_scheduler::times::Times;
use selion_scheduler::{BlobId, ClientId, Config, Desk, Key, Priority, Scheduler, WorkerId};

fn key() -> impl Strategy<Value = Key> {
    prop_oneof![any::<u128>().prop_map(Key), (0..6u128).prop_map(Key)]
}

fn blob_id() -> impl Strategy<Value = BlobId> {
    (0..4u128).prop_map(BlobId)
}

fn worker() -> impl Strategy<Value = WorkerId> {
    (0..5u32).prop_map(WorkerId)
}

fn bytes() -> impl Strategy<Value = Bytes> {
    vec(any::<u8>(), 0..20).prop_map(Bytes::from)
}

fn amounts() -> impl Strategy<Value = Vec<(String, f64)>> {
    vec(("[A-C]", -1.0..4.0), 0..3)
}

fn failure() -> impl Strategy<Value = Arc<Failure>> {
    let kind = prop_oneof![
        Just(FailureKind::Raised),
        Just(FailureKind::KilledWorker),
        Just(FailureKind::Cancelled),
        Just(FailureKind::NoWorker),
        Just(FailureKind::TimedOut),
        Just(FailureKind::Redefined),
        Just(FailureKind::Unknown)
    ];
    (kind, key(), ".{0,8}", bytes())
        .prop_map(|(kind, origin, message, exception)| Arc::new(Failure { kind, origin, message, exception }))
}

prop_compose! {
    fn rules()(
        priority in any::<i32>(), retries in any::<u32>(), workers in vec("[a-c]", 0..3), other in any::<bool>(),
        resources in amounts(), timeout in any::<u64>(), actor in any::<bool>(),
    ) -> Rules {
        Rules { priority, retries, workers, allow_other_workers: other, resources, timeout, actor }
    }
}

prop_compose! {
    fn task()(
        key in key(), blob in proptest::option::of(blob_id()), index in any::<u32>(), args in bytes(),
        inputs in vec(key(), 0..4), nbytes in any::<u64>(), group in 0..4u32, rules in 0..4u32, place in any::<u32>(),
        wanted in any::<bool>(),
    ) -> Task {
        Task { key, blob, index, args, inputs, nbytes, group, rules, place, wanted }
    }
}

prop_compose! {
    fn submit()(
        blobs in vec((blob_id(), bytes()), 0..3), groups in vec("[a-c]".prop_map(Arc::from), 0..3),
        rules in vec(rules(), 0..3), tasks in vec(task(), 0..6),
    ) -> Submit {
        Submit { blobs, groups, rules, tasks, ..Submit::default() }
    }
}

fn from_client() -> impl Strategy<Value = FromClient> {
    let keys = || vec(key(), 0..4);
    prop_oneof![
        4 => submit().prop_map(FromClient::Submit),
        1 => vec((key(), any::<u64>(), worker()), 0..3).prop_map(FromClient::Scattered),
        1 => keys().prop_map(FromClient::Want),
        1 => keys().prop_map(FromClient::Release),
        1 => (keys(), any::<bool>(), ".{0,5}")
            .prop_map(|(keys, force, reason)| FromClient::Cancel { keys, force, reason }),
        1 => keys().prop_map(FromClient::Retry),
        1 => keys().prop_map(FromClient::WhoHas),
        1 => (keys(), any::<u32>(), vec(worker(), 0..3))
            .prop_map(|(keys, copies, workers)| FromClient::Replicate { keys, copies, workers }),
        1 => vec(worker(), 0..3).prop_map(FromClient::Retire),
    ]
}

fn status() -> impl Strategy<Value = Status> {
    (any::<u64>(), any::<bool>()).prop_map(|(n, paused)| Status {
        memory: n,
        held: n / 2,
        spilled: n / 3,
        cpu: 7,
        paused,
    })
}

fn from_worker() -> impl Strategy<Value = FromWorker> {
    let attempt = || 0..3u32;
    prop_oneof![
        (key(), attempt(), any::<u64>(), any::<u64>(), proptest::option::of(bytes()))
            .prop_map(|(key, attempt, nbytes, micros, value)| FromWorker::Done { key, attempt, nbytes, micros, value }),
        (key(), attempt(), any::<u64>(), failure()).prop_map(|(key, attempt, micros, failure)| FromWorker::Failed {
            key,
            attempt,
            micros,
            failure
        }),
        (key(), attempt(), any::<bool>()).prop_map(|(key, attempt, back)| FromWorker::Recalled(key, attempt, back)),
        (key(), attempt(), key(), vec(worker(), 0..3)).prop_map(|(key, attempt, input, from)| FromWorker::Lacking {
            key,
            attempt,
            input,
            from
        }),
        (key(), attempt(), any::<bool>()).prop_map(|(key, attempt, away)| FromWorker::Seceded(key, attempt, away)),
        key().prop_map(FromWorker::Acquired),
        key().prop_map(FromWorker::NotAcquired),
        status().prop_map(FromWorker::Status),
        any::<u64>().prop_map(|compute| FromWorker::Times(Times { compute, ..Times::default() })),
    ]
}

prop_compose! {
    fn assignment()(
        key in key(), attempt in any::<u32>(), place in any::<u32>(), urgency in any::<i32>(), blob in blob_id(),
        index in any::<u32>(), args in bytes(), inputs in vec((key(), any::<u64>(), source()), 0..3),
        nbytes in any::<u64>(), timeout in any::<u64>(), actor in any::<bool>(),
    ) -> Assignment {
        let priority = Priority { urgency, generation: 1, place };
        Assignment { key, attempt, priority, blob, index, args, inputs, nbytes, timeout, actor }
    }
}

fn source() -> impl Strategy<Value = Source> {
    prop_oneof![Just(Source::Here), bytes().prop_map(Source::Value), vec(worker(), 0..3).prop_map(Source::Peers)]
}

fn to_worker() -> impl Strategy<Value = ToWorker> {
    prop_oneof![
        (blob_id(), bytes()).prop_map(|(id, bytes)| ToWorker::Blob(id, bytes)),
        blob_id().prop_map(ToWorker::DropBlob),
        assignment().prop_map(ToWorker::Run),
        vec(key(), 0..3).prop_map(ToWorker::Drop),
        key().prop_map(ToWorker::Recall),
        (key(), ".{0,5}").prop_map(|(key, reason)| ToWorker::Interrupt(key, reason)),
        (key(), any::<u64>(), vec(worker(), 0..3)).prop_map(|(key, n, from)| ToWorker::Acquire(key, n, from)),
        (worker(), ".{0,5}").prop_map(|(id, address)| ToWorker::Peer(id, address)),
        worker().prop_map(ToWorker::PeerGone),
        Just(ToWorker::Close),
    ]
}

fn to_client() -> impl Strategy<Value = ToClient> {
    prop_oneof![
        (key(), any::<u64>(), proptest::option::of(bytes()), proptest::option::of(worker()))
            .prop_map(|(key, nbytes, value, worker)| ToClient::Done { key, nbytes, value, worker }),
        (key(), failure()).prop_map(|(key, failure)| ToClient::Failed { key, failure }),
        key().prop_map(ToClient::Lost),
        key().prop_map(ToClient::Pending),
        vec((key(), vec(worker(), 0..3)), 0..3).prop_map(ToClient::Holders),
    ]
}

prop_compose! {
    fn info()(
        name in "[a-c]", nthreads in 0..3u32, memory_limit in any::<u64>(), resources in amounts(),
        holds in vec((key(), any::<u64>()), 0..3), runs in vec((key(), 0..3u32), 0..3),
    ) -> WorkerInfo {
        let address = format!("tcp://{name}:1");
        WorkerInfo { name, address, nthreads, memory_limit, resources, holds, runs, ..WorkerInfo::default() }
    }
}

fn there_and_back<T>(message: &T) -> T
where
    T: serde::Serialize + serde::de::DeserializeOwned,
{
    rmp_serde::from_slice(&rmp_serde::to_vec(message).expect("it can be encoded")).expect("it can be decoded")
}

#[derive(Debug, Clone)]
enum Event {
    Client(FromClient),
    Worker(WorkerId, FromWorker),
    Joins(WorkerId, WorkerInfo),
    Leaves(WorkerId, bool),
    Passes(u64),
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        6 => from_client().prop_map(Event::Client),
        4 => (worker(), from_worker()).prop_map(|(id, message)| Event::Worker(id, message)),
        2 => (worker(), info()).prop_map(|(id, info)| Event::Joins(id, info)),
        1 => (worker(), any::<bool>()).prop_map(|(id, clean)| Event::Leaves(id, clean)),
        1 => (0..40_000_000u64).prop_map(Event::Passes),
    ]
}

proptest! {
    #[test]
    fn clients_are_understood(message in from_client()) {
        prop_assert_eq!(there_and_back(&message), message);
    }

    #[test]
    fn workers_are_understood(message in from_worker(), info in info()) {
        prop_assert_eq!(there_and_back(&message), message);
        prop_assert_eq!(there_and_back(&info), info);
    }

    #[test]
    fn the_scheduler_is_understood(worker in to_worker(), client in to_client()) {
        prop_assert_eq!(there_and_back(&worker), worker);
        prop_assert_eq!(there_and_back(&client), client);
    }

    /// Whatever comes is a message or an error; a length that lies reserves no memory.
    #[test]
    fn any_bytes_are_a_message_or_an_error(
        noise in vec(any::<u8>(), 0..200), message in from_client(), at in any::<u16>(), byte in any::<u8>(),
    ) {
        let _ = rmp_serde::from_slice::<FromClient>(&noise);
        let _ = rmp_serde::from_slice::<FromWorker>(&noise);
        let _ = rmp_serde::from_slice::<ToWorker>(&noise);
        let _ = rmp_serde::from_slice::<ToClient>(&noise);
        let mut bent = rmp_serde::to_vec(&message).expect("it can be encoded");
        let at = usize::from(at) % bent.len();
        bent[at] = byte;
        let _ = rmp_serde::from_slice::<FromClient>(&bent);
        let _ = rmp_serde::from_slice::<FromClient>(&bent[..at]);
    }

    /// Messages that make no sense together neither stop the scheduler nor make it contradict itself.
    #[test]
    fn nonsense_does_no_harm(events in vec(event(), 1..40)) {
        let mut scheduler = Scheduler::new(Config::default());
        let mut now = 0;
        scheduler.client_joined(ClientId(0));
        for event in events {
            match event {
                Event::Client(message) => scheduler.from_client(ClientId(0), message),
                Event::Worker(id, message) => scheduler.from_worker(id, message),
                Event::Joins(id, info) => {
                    scheduler.worker_left(id, true, "it comes anew");
                    scheduler.worker_joined(id, info);
                }
                Event::Leaves(id, clean) => scheduler.worker_left(id, clean, "it left"),
                Event::Passes(micros) => {
                    now += micros;
                    scheduler.tick(now);
                    scheduler.watch();
                }
            }
            let _ = scheduler.actions();
            scheduler.validate();
        }
        scheduler.client_left(ClientId(0));
        let _ = scheduler.actions();
        scheduler.validate();
    }

    #[test]
    fn a_desk_takes_whatever_comes(messages in vec(to_worker(), 1..40)) {
        let mut desk: Desk<u8> = Desk::default();
        for message in messages {
            desk.accept(message);
            if let Some(start) = desk.next() {
                desk.done(start.assignment.key, 1, 0, 1, None);
            }
            for fetch in desk.take_fetches() {
                desk.not_fetched(fetch.key, fetch.peer);
            }
            let _ = desk.take_outbox();
        }
    }
}
