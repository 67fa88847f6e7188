//! What every backend does, whatever it is: the one suite that local processes, Slurm and Kubernetes pass.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use selion_gateway::backend::local::Local;
use selion_gateway::backend::{Backend, ProcessId, Role, Start};
use selion_gateway::engine::Command;
use selion_gateway::secret::random_hex;

const SOON: Duration = Duration::from_secs(10);

fn start_order(cluster: &str, role: Role, script: &str) -> Start {
    let id = ProcessId { cluster: cluster.to_owned(), role };
    let argv = ["/bin/sh", "-c", script].map(str::to_owned).to_vec();
    let command = Command { argv, env: BTreeMap::from([("GREETING".to_owned(), "hello".to_owned())]) };
    let record = serde_json::json!({
        "name": cluster, "user": "alice", "groups": [], "options": {}, "settings": {}, "token": "the-token",
        "certificate": "the-certificate", "key": "the-key", "phase": "pending", "failing": false, "reason": null,
        "created_ms": 0, "running_ms": null, "stopped_ms": null, "certified_ms": 0, "scheduler": "launching",
        "addresses": null, "workers": {}, "past_workers": [], "wanted": 0, "worker_failures": 0, "core_ms": 0,
        "charged_ms": 0,
    });
    let cluster = serde_json::from_value(record).unwrap();
    Start { id, command, cores: 1, memory_bytes: 1 << 20, cluster }
}

async fn names(backend: &dyn Backend, cluster: &str) -> Vec<Role> {
    let running = backend.running().await.unwrap();
    let mut roles: Vec<Role> =
        running.into_iter().filter(|(id, _)| id.cluster == cluster).map(|(id, _)| id.role).collect();
    roles.sort();
    roles
}

/// Waits for the system to have cleaned up after what was stopped.
async fn until_gone(backend: &dyn Backend, cluster: &str) {
    let begin = Instant::now();
    while !names(backend, cluster).await.is_empty() {
        assert!(begin.elapsed() < SOON);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// The whole contract. `reopen` gives the same backend as a gateway that has been restarted sees it.
async fn backend_contract(backend: &dyn Backend, reopen: impl Fn() -> Box<dyn Backend>) {
    runs_with_its_files_and_tells_how_it_ended(backend).await;
    what_cannot_start_says_why(backend).await;
    stopping_reaches_those_who_do_not_listen(backend).await;
    after_a_restart_all_is_found_and_watched(backend, reopen).await;
}

async fn runs_with_its_files_and_tells_how_it_ended(backend: &dyn Backend) {
    let cluster = random_hex();
    let place = backend.place(&cluster);
    let script = format!("echo $GREETING; cat {} {}; exit 3", place.token, place.certificate);
    let start = start_order(&cluster, Role::Scheduler, &script);
    let handle = backend.start(&start).await.unwrap();
    let how = tokio::time::timeout(SOON, backend.gone(&start.id, &handle)).await.unwrap();
    assert!(how.contains('3'), "{how}");
    let log = backend.log(&start.id, 10).await;
    assert_eq!(log, "hello\nthe-tokenthe-certificate");
    assert_eq!(backend.log(&start.id, 1).await, "the-tokenthe-certificate");
    assert!(names(backend, &cluster).await.is_empty());
    // Asked again, it is still gone.
    tokio::time::timeout(SOON, backend.gone(&start.id, &handle)).await.unwrap();
    backend.clean(&cluster).await;
    assert!(!backend.log(&start.id, 10).await.is_empty(), "logs outlive the cluster");
    backend.forget(&cluster).await;
    assert!(backend.log(&start.id, 10).await.is_empty());
}

async fn what_cannot_start_says_why(backend: &dyn Backend) {
    let cluster = random_hex();
    let mut start = start_order(&cluster, Role::Scheduler, "");
    start.command.argv = vec!["/nowhere/python".into()];
    // Some backends know at once, others learn it from the job.
    let why = match backend.start(&start).await {
        Err(why) => why,
        Ok(handle) => {
            let how = backend.gone(&start.id, &handle).await;
            format!("{how}\n{}", backend.log(&start.id, 10).await)
        }
    };
    assert!(why.contains("/nowhere/python"), "{why}");
    backend.forget(&cluster).await;
}

async fn stopping_reaches_those_who_do_not_listen(backend: &dyn Backend) {
    let cluster = random_hex();
    let script = "trap '' TERM INT; sleep 1000 & echo ready; while true; do sleep 0.1; done";
    let start = start_order(&cluster, Role::Worker("w1".into()), script);
    let handle = backend.start(&start).await.unwrap();
    let begin = Instant::now();
    while backend.log(&start.id, 1).await != "ready" {
        assert!(begin.elapsed() < SOON);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    backend.stop(&start.id, &handle).await;
    // What was killed is gone as soon as the system has cleaned up after it.
    until_gone(backend, &cluster).await;
    // Once more does no harm.
    backend.stop(&start.id, &handle).await;
    backend.forget(&cluster).await;
}

async fn after_a_restart_all_is_found_and_watched(backend: &dyn Backend, reopen: impl Fn() -> Box<dyn Backend>) {
    let cluster = random_hex();
    let roles = [Role::Scheduler, Role::Worker("w1".into()), Role::Worker("w2".into())];
    let mut handles = Vec::new();
    for role in &roles {
        handles.push(backend.start(&start_order(&cluster, role.clone(), "sleep 1000")).await.unwrap());
    }
    let again = reopen();
    assert_eq!(names(again.as_ref(), &cluster).await, roles);
    let found = again.running().await.unwrap();
    for (role, handle) in roles.iter().zip(&handles) {
        let id = ProcessId { cluster: cluster.clone(), role: role.clone() };
        assert!(found.contains(&(id.clone(), handle.clone())));
        let (gone, ()) =
            tokio::join!(tokio::time::timeout(SOON, again.gone(&id, handle)), async { again.stop(&id, handle).await });
        gone.unwrap();
    }
    until_gone(again.as_ref(), &cluster).await;
    again.forget(&cluster).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn local_processes() {
    let folder = std::env::temp_dir().join(format!("selion-gateway-{}", random_hex()));
    let instance = random_hex();
    let open = || Local::new(folder.clone(), instance.clone(), "http://127.0.0.1:1/api".into(), vec![]).unwrap();
    backend_contract(&open(), || Box::new(open())).await;
    let _ = std::fs::remove_dir_all(folder);
}
