//! A scheduler, workers and a client over real sockets, in one process, with functions in Rust.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use selion_cluster::{
    Client, ClientConfig, ClientError, Code, Parts, Running, Runtime, Server, ServerConfig, Status, Worker,
    WorkerConfig,
};
use selion_core::Value;
use selion_net::{Address, Token};
use selion_scheduler::message::{Failure, FailureKind, FromClient, Submit, Task};
use selion_scheduler::{BlobId, Key};

/// Numbers: a blob is the name of a function, arguments and values are eight bytes.
struct Numbers;

struct Function(&'static str);

fn value(n: i64) -> Value {
    Value::Object { object: Arc::new(n), nbytes: 8 }
}

fn number(value: &Value) -> i64 {
    match value {
        Value::Object { object, .. } => *object.downcast_ref::<i64>().unwrap(),
        _ => panic!("a number"),
    }
}

fn raised(message: &str) -> Failure {
    Failure { kind: FailureKind::Raised, origin: Key(0), message: message.to_owned(), exception: Bytes::new() }
}

impl Runtime for Numbers {
    fn load(&self, blob: &Bytes) -> Result<Arc<dyn Code>, Failure> {
        let name = match &blob[..] {
            b"sum" => "sum",
            b"large" => "large",
            b"fail" => "fail",
            b"sleep" => "sleep",
            _ => return Err(raised("no such function")),
        };
        Ok(Arc::new(Function(name)))
    }
    fn encode(&self, value: &Value) -> Result<Parts, Failure> {
        Ok(Parts { header: Bytes::copy_from_slice(&number(value).to_le_bytes()), buffers: Vec::new() })
    }
    fn decode(&self, parts: Parts) -> Result<Value, Failure> {
        let bytes = parts.header[..8].try_into().map_err(|_| raised("not a number"))?;
        Ok(value(i64::from_le_bytes(bytes)))
    }
}

impl Code for Function {
    fn call(
        &self,
        _: u32,
        args: &Bytes,
        inputs: &[Value],
        running: &Running,
    ) -> Result<(Value, Option<Bytes>), Failure> {
        let constant = args.get(..8).map_or(0, |bytes| i64::from_le_bytes(bytes.try_into().unwrap()));
        match self.0 {
            "fail" => return Err(raised("it raised")),
            "sleep" => {
                let until = Instant::now() + Duration::from_millis(constant as u64);
                while Instant::now() < until && !running.cancel.is_cancelled() {
                    std::thread::sleep(Duration::from_millis(1));
                }
            }
            _ => {}
        }
        let sum = constant + inputs.iter().map(number).sum::<i64>();
        let encoded = (self.0 != "large").then(|| Bytes::copy_from_slice(&sum.to_le_bytes()));
        let nbytes = if self.0 == "large" { 1 << 20 } else { 8 };
        Ok((Value::Object { object: Arc::new(sum), nbytes }, encoded))
    }
}

struct Cluster {
    address: Address,
    token: Token,
    workers: Vec<Worker>,
}

impl Cluster {
    fn new(workers: usize) -> Cluster {
        let token = Token::generate().unwrap();
        let config = ServerConfig {
            listen: "127.0.0.1:0".into(),
            security: token.clone().into(),
            scheduler: Default::default(),
            dashboard: None,
        };
        let server = Server::bind(config).unwrap();
        let address: Address = server.address().unwrap();
        std::thread::spawn(move || server.run());
        let mut cluster = Cluster { address, token, workers: Vec::new() };
        for k in 0..workers {
            cluster.add_worker(k);
        }
        cluster
    }

    fn add_worker(&mut self, k: usize) {
        let config = WorkerConfig {
            scheduler: self.address.clone(),
            security: self.token.clone().into(),
            listen: "127.0.0.1:0".into(),
            name: format!("worker-{k}"),
            nthreads: 1,
            memory_limit: 0,
            resources: Vec::new(),
            patience: Duration::from_secs(5),
            instance: String::new(),
        };
        self.workers.push(Worker::start(config, Arc::new(Numbers)).unwrap());
    }

    fn client(&self) -> Client {
        Client::connect(ClientConfig {
            scheduler: self.address.clone(),
            security: self.token.clone().into(),
            name: "test".into(),
            timeout: Duration::from_secs(5),
            patience: Duration::from_secs(5),
        })
        .unwrap()
    }
}

fn call(function: &'static str, key: u128, constant: i64, inputs: &[u128]) -> Submit {
    let blob = BlobId(function.len() as u128 * 1000 + u128::from(function.as_bytes()[0]));
    let task = Task {
        key: Key(key),
        blob: Some(blob),
        index: 0,
        args: Bytes::copy_from_slice(&constant.to_le_bytes()),
        inputs: inputs.iter().map(|key| Key(*key)).collect(),
        nbytes: 8,
        group: 0,
        rules: 0,
        place: 0,
        wanted: true,
    };
    Submit {
        blobs: vec![(blob, Bytes::from_static(function.as_bytes()))],
        groups: vec![function.into()],
        tasks: vec![task],
        ..Submit::default()
    }
}

fn wait(client: &Client, keys: &[u128]) {
    let keys: Vec<Key> = keys.iter().map(|key| Key(*key)).collect();
    let until = Some(Instant::now() + Duration::from_secs(20));
    let done = client.wait(&keys, keys.len(), until, || Ok::<(), ClientError>(())).unwrap();
    assert!(done, "{:?}", keys.iter().map(|key| client.status(*key)).collect::<Vec<_>>());
}

fn result(client: &Client, key: u128) -> Result<i64, ClientError> {
    let (parts, _) = client.fetch(Key(key)).blocking_recv().unwrap()?;
    Ok(number(&Numbers.decode(parts).unwrap()))
}

#[test]
fn tasks_run_and_their_values_come_back() {
    let cluster = Cluster::new(2);
    let client = cluster.client();
    for k in 0..1000 {
        client.submit(call("sum", k, k as i64, &[]));
    }
    let inputs: Vec<u128> = (0..1000).collect();
    client.submit(call("sum", 5000, 1, &inputs));
    wait(&client, &[5000]);
    assert_eq!(result(&client, 5000).unwrap(), 999 * 1000 / 2 + 1);
}

#[test]
fn large_values_move_between_workers() {
    let cluster = Cluster::new(2);
    let client = cluster.client();
    for k in 0..8 {
        client.submit(call("large", k, k as i64, &[]));
    }
    let inputs: Vec<u128> = (0..8).collect();
    client.submit(call("large", 100, 0, &inputs));
    wait(&client, &[100]);
    assert_eq!(result(&client, 100).unwrap(), 28);
    assert_eq!(result(&client, 3).unwrap(), 3);
}

#[test]
fn failures_reach_dependents() {
    let cluster = Cluster::new(1);
    let client = cluster.client();
    client.submit(call("fail", 1, 0, &[]));
    client.submit(call("sum", 2, 0, &[1]));
    wait(&client, &[1, 2]);
    assert_eq!(client.status(Key(2)), Status::Error);
    assert!(matches!(result(&client, 2), Err(ClientError::Failed(failure)) if failure.origin == Key(1)));
}

#[test]
fn a_cancelled_task_frees_its_thread() {
    let cluster = Cluster::new(1);
    let client = cluster.client();
    client.submit(call("sleep", 1, 60_000, &[]));
    std::thread::sleep(Duration::from_millis(100));
    client.say(FromClient::Cancel { keys: vec![Key(1)], force: false, reason: "test".into() });
    client.submit(call("sum", 2, 7, &[]));
    wait(&client, &[1, 2]);
    assert_eq!(client.status(Key(1)), Status::Cancelled);
}

#[test]
fn a_wrong_token_is_refused() {
    let cluster = Cluster::new(0);
    let config = ClientConfig {
        scheduler: cluster.address.clone(),
        security: Token::new("guess").into(),
        name: "stranger".into(),
        timeout: Duration::from_secs(2),
        patience: Duration::from_secs(2),
    };
    assert!(matches!(Client::connect(config), Err(ClientError::Refused { .. })));
}

#[test]
fn a_worker_that_leaves_is_replaced() {
    let mut cluster = Cluster::new(2);
    let client = cluster.client();
    for k in 0..20 {
        client.submit(call("large", k, k as i64, &[]));
    }
    wait(&client, &(0..20).collect::<Vec<_>>());
    drop(cluster.workers.remove(0));
    cluster.add_worker(7);
    let inputs: Vec<u128> = (0..20).collect();
    client.submit(call("sum", 100, 0, &inputs));
    wait(&client, &[100]);
    assert_eq!(result(&client, 100).unwrap(), 190);
}
