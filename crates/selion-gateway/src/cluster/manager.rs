//! All clusters: the shell around the state machine.
//!
//! One lock holds every record; under it an event is applied, the changed record goes to the store's queue, and limits are
//! checked, so that no two requests can pass the same limit. What the machine orders is carried out outside, after the
//! record is on disk. Nothing waits under the lock.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::http::{HeaderValue, StatusCode};
use serde_json::{Map, Value, json};
use tokio::sync::{Semaphore, watch};

use super::machine::{Event, Heartbeat, Order, Role};
use super::model::{Cluster, Phase, Process};
use crate::auth::User;
use crate::backend::{Backend, ProcessId, Start};
use crate::certs;
use crate::config::{Limit, Limits};
use crate::engine;
use crate::http_client::{Url, post};
use crate::metrics::Metrics;
use crate::options::{Chosen, Options};
use crate::proxy::client::ProxyClient;
use crate::secret::{Secret, random_hex};
use crate::store::{Saved, Store};

/// Processes that are started or stopped at once.
const PARALLEL: usize = 20;
/// How often times are looked at.
const TICK: Duration = Duration::from_secs(1);
/// How often the backend is asked for what should not be there, in ticks.
const SWEEP_TICKS: u64 = 60;
/// How often clusters that ended long ago are looked for, in ticks.
const PURGE_TICKS: u64 = 60;
/// How long a process may take to be visible once it was ordered.
const LATE_START: Duration = Duration::from_millis(300);
/// Lines of a log that a failure's reason cites.
const REASON_LINES: usize = 20;
/// Pauses between tries to reach a scheduler.
const ORDER_PAUSES: [Duration; 2] = [Duration::from_millis(100), Duration::from_millis(200)];

/// Why something cannot be done with a cluster.
#[derive(Debug, thiserror::Error)]
pub enum ManagerError {
    /// There is no such cluster.
    #[error("Cluster {0} not found")]
    Unknown(String),
    /// The request makes no sense or is over a limit.
    #[error("{0}")]
    Invalid(String),
    /// The cluster is not in the state for it.
    #[error("{0}")]
    Conflict(String),
    /// The gateway is ending.
    #[error("the gateway is shutting down")]
    Draining,
    /// The state cannot be written.
    #[error("the gateway's state cannot be written")]
    Store(String),
}

/// The answer to scale and adapt.
#[derive(Debug, PartialEq, Eq)]
pub struct Scaled {
    /// Whether all of it was within the limits.
    pub ok: bool,
    /// What was done instead.
    pub message: Option<String>,
}

/// All clusters.
pub struct Manager {
    state: Mutex<State>,
    backend: Box<dyn Backend>,
    store: Store,
    proxy: ProxyClient,
    options: Options,
    limits: Limits,
    keep_ended_ms: u64,
    permits: Semaphore,
    metrics: Arc<Metrics>,
}

#[derive(Default)]
struct State {
    clusters: BTreeMap<String, Entry>,
    draining: bool,
}

struct Entry {
    cluster: Cluster,
    changed: watch::Sender<()>,
}

/// Milliseconds since the epoch.
#[must_use]
pub fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// What the manager is made of.
pub struct Parts {
    /// Where clusters run.
    pub backend: Box<dyn Backend>,
    /// The state on disk.
    pub store: Store,
    /// The way to the proxy.
    pub proxy: ProxyClient,
    /// What users may choose.
    pub options: Options,
    /// What users may have.
    pub limits: Limits,
    /// How long ended clusters are kept.
    pub keep_ended_ms: u64,
    /// Where is counted.
    pub metrics: Arc<Metrics>,
}

impl Manager {
    /// Takes over the clusters of the store, whose ways the proxy knows: the backend is asked what still runs, what was half
    /// done is finished or cleaned up, and time begins to pass.
    ///
    /// # Errors
    /// If the backend cannot be reached.
    pub async fn start(parts: Parts, clusters: Vec<Cluster>) -> Result<Arc<Manager>, String> {
        let entries = clusters.into_iter().map(|cluster| (cluster.name.clone(), Entry::new(cluster)));
        let state = State { clusters: entries.collect(), draining: false };
        let manager = Arc::new(Manager {
            state: Mutex::new(state),
            backend: parts.backend,
            store: parts.store,
            proxy: parts.proxy,
            options: parts.options,
            limits: parts.limits,
            keep_ended_ms: parts.keep_ended_ms,
            permits: Semaphore::new(PARALLEL),
            metrics: parts.metrics,
        });
        manager.recover().await?;
        tokio::spawn(Arc::clone(&manager).pass_time());
        Ok(manager)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The options.
    #[must_use]
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// The limits of a user.
    #[must_use]
    pub fn limit(&self, user: &User) -> Limit {
        self.limits.of(&user.groups)
    }

    // ---- what users ask for ----

    /// Makes a cluster; it is on disk when this returns, and its scheduler is being started.
    ///
    /// # Errors
    /// If the options make no sense, or a limit is reached.
    pub async fn create(
        self: &Arc<Self>,
        user: &User,
        asked: &Map<String, Value>,
        engine: Option<&str>,
    ) -> Result<String, ManagerError> {
        let Chosen { options, settings } = self.options.choose(asked, engine).map_err(ManagerError::Invalid)?;
        let limit = self.limits.of(&user.groups);
        // A look beforehand, so that those who are over the limit cost no keys; it is decided below.
        check_create(&self.lock(), user, &limit, settings.scheduler_cores, settings.scheduler_memory.0)?;
        let name = random_hex();
        let pair = certs::make(&name).map_err(|error| ManagerError::Store(error.to_string()))?;
        let now_ms = now_ms();
        let cluster = Cluster {
            name: name.clone(),
            user: user.name.clone(),
            groups: user.groups.clone(),
            options,
            settings,
            token: Secret::random(),
            certificate: pair.certificate,
            key: pair.key,
            phase: Phase::Pending,
            failing: false,
            reason: None,
            created_ms: now_ms,
            running_ms: None,
            stopped_ms: None,
            certified_ms: now_ms,
            scheduler: Process::Launching,
            addresses: None,
            workers: BTreeMap::new(),
            past_workers: Vec::new(),
            wanted: 0,
            worker_failures: 0,
            core_ms: 0,
            charged_ms: now_ms,
            beat_ms: now_ms,
            client_ms: now_ms,
        };
        let saved = {
            let mut state = self.lock();
            check_create(&state, user, &limit, cluster.settings.scheduler_cores, cluster.settings.scheduler_memory.0)?;
            let saved = self.store.save(&cluster);
            state.clusters.insert(name.clone(), Entry::new(cluster));
            saved
        };
        if let Err(error) = written(saved).await {
            self.lock().clusters.remove(&name);
            return Err(ManagerError::Store(error));
        }
        self.carry_out(&name, vec![Order::Launch(Role::Scheduler)], None);
        Ok(name)
    }

    /// The cluster as it is now.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<Cluster> {
        self.lock().clusters.get(name).map(|entry| entry.cluster.clone())
    }

    /// Looks at one cluster without copying it.
    pub fn look<T>(&self, name: &str, at: impl FnOnce(&Cluster) -> T) -> Option<T> {
        self.lock().clusters.get(name).map(|entry| at(&entry.cluster))
    }

    /// Looks at every cluster.
    pub fn each(&self, mut at: impl FnMut(&Cluster)) {
        self.lock().clusters.values().for_each(|entry| at(&entry.cluster));
    }

    /// Resolves when the cluster is no longer being started, or after `limit`.
    pub async fn wait(&self, name: &str, limit: Duration) {
        let Some(mut changed) = self.lock().clusters.get(name).map(|entry| entry.changed.subscribe()) else { return };
        let settled = async {
            while self.is_starting(name) {
                if changed.changed().await.is_err() {
                    return;
                }
            }
        };
        let _ = tokio::time::timeout(limit, settled).await;
    }

    /// Whether waiting for a cluster makes sense; not when the gateway is about to end.
    fn is_starting(&self, name: &str) -> bool {
        let state = self.lock();
        let entry = state.clusters.get(name).filter(|_| !state.draining);
        entry.is_some_and(|entry| matches!(entry.cluster.phase, Phase::Pending | Phase::Routing))
    }

    /// Ends a cluster, if it has not ended. That it is to end is on disk when this returns; it ends behind.
    pub async fn stop(self: &Arc<Self>, name: &str, why: String) {
        self.apply(name, Event::Stop(why));
        // A write that fails is told to the log; the cluster ends all the same.
        let _ = written(self.store.settled()).await;
    }

    /// Asks a scheduler for so many workers.
    ///
    /// # Errors
    /// If it does not run.
    pub async fn scale(self: &Arc<Self>, name: &str, count: u32) -> Result<Scaled, ManagerError> {
        let allowed = self.allowed(name)?;
        let trimmed = count.min(allowed);
        self.order(name, json!({"op": "scale", "count": trimmed})).await?;
        let message = format!("Scaling to {count} workers is over the limit. Scaling to {trimmed} instead.");
        Ok(Scaled { ok: trimmed == count, message: (trimmed != count).then_some(message) })
    }

    /// Tells a scheduler to choose the number of workers itself.
    ///
    /// # Errors
    /// If it does not run.
    pub async fn adapt(
        self: &Arc<Self>,
        name: &str,
        minimum: Option<u32>,
        maximum: Option<u32>,
        active: bool,
    ) -> Result<Scaled, ManagerError> {
        let allowed = self.allowed(name)?;
        let (mut low, mut high, mut message) = (minimum, maximum, None);
        let is_over = low.is_some_and(|low| low > allowed) || high.is_none_or(|high| high > allowed);
        if active && allowed < u32::MAX && is_over {
            low = Some(low.unwrap_or(0).min(allowed));
            high = Some(high.unwrap_or(u32::MAX).min(allowed));
            let said = |bound: Option<u32>| bound.map_or("None".to_owned(), |bound| bound.to_string());
            message = Some(format!(
                "Adapting with `maximum={}, minimum={}` is over the limit. Using `maximum={}, minimum={}` instead.",
                said(maximum),
                said(minimum),
                said(high),
                said(low),
            ));
        }
        self.order(name, json!({"op": "adapt", "minimum": low, "maximum": high, "active": active})).await?;
        Ok(Scaled { ok: message.is_none(), message })
    }

    /// Takes a scheduler's report.
    pub fn beat(self: &Arc<Self>, name: &str, beat: Heartbeat) {
        self.apply(name, Event::Beat(Box::new(beat), u32::MAX));
    }

    /// The last lines of a process's log.
    pub async fn log(&self, name: &str, role: &Role, lines: usize) -> String {
        self.backend.log(&ProcessId { cluster: name.to_owned(), role: role.clone() }, lines).await
    }

    // ---- the end ----

    /// Takes no new clusters from now on, and answers those who wait.
    pub fn drain(&self) {
        let mut state = self.lock();
        state.draining = true;
        state.clusters.values().for_each(|entry| entry.changed.send_replace(()));
    }

    /// Ends every cluster, and waits for that, `limit` at most.
    pub async fn stop_all(self: &Arc<Self>, limit: Duration) {
        let names: Vec<String> = self.lock().clusters.keys().cloned().collect();
        names.iter().for_each(|name| self.apply(name, Event::Stop("the gateway was shut down".into())));
        let all = async {
            while self.lock().clusters.values().any(|entry| !entry.cluster.phase.is_final()) {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        let _ = tokio::time::timeout(limit, all).await;
    }

    /// Lets the proxy go, once everything is on disk.
    pub async fn finish(&self) {
        let last: Vec<Saved> = {
            let mut state = self.lock();
            let now_ms = now_ms();
            // What was used up to now.
            state
                .clusters
                .values_mut()
                .filter(|entry| !entry.cluster.phase.is_final())
                .map(|entry| {
                    entry.cluster.handle(Event::Tick(None), now_ms, &mut Vec::new());
                    self.store.save(&entry.cluster)
                })
                .collect()
        };
        for saved in last {
            let _ = written(saved).await;
        }
        self.proxy.retire().await;
    }

    // ---- events and orders ----

    /// Applies an event, and has carried out what comes of it.
    fn apply(self: &Arc<Self>, name: &str, event: Event) {
        let (orders, saved) = {
            let mut state = self.lock();
            let event = match (event, state.clusters.get(name)) {
                (Event::Beat(beat, _), Some(entry)) => {
                    Event::Beat(beat, allowed_workers(&state, &self.limits, &entry.cluster))
                }
                (event, _) => event,
            };
            let Some(entry) = state.clusters.get_mut(name) else { return };
            let is_tick = matches!(event, Event::Tick(_));
            let before = entry.cluster.phase;
            let mut orders = Vec::new();
            entry.cluster.handle(event, now_ms(), &mut orders);
            if is_tick && orders.is_empty() {
                return;
            }
            if entry.cluster.phase != before {
                self.tell(&entry.cluster);
            }
            entry.changed.send_replace(());
            (orders, self.store.save(&entry.cluster))
        };
        self.carry_out(name, orders, Some(saved));
    }

    fn tell(&self, cluster: &Cluster) {
        let (name, user) = (&cluster.name, &cluster.user);
        let reason = cluster.reason.as_deref().unwrap_or_default();
        match cluster.phase {
            Phase::Failed => {
                self.metrics.clusters_failed.inc();
                tracing::warn!(cluster = %name, %user, reason, "cluster failed");
            }
            phase => tracing::info!(cluster = %name, %user, reason, "cluster is {}", phase.status()),
        }
    }

    /// Does what was ordered, once the record is on disk; returns at once.
    fn carry_out(self: &Arc<Self>, name: &str, orders: Vec<Order>, saved: Option<Saved>) {
        if orders.is_empty() {
            return;
        }
        let (manager, name) = (Arc::clone(self), name.to_owned());
        tokio::spawn(async move {
            if let Some(saved) = saved {
                // Told to the log where it happened. Stopping is safe without the record; starting is not.
                if written(saved).await.is_err() && orders.iter().any(|order| matches!(order, Order::Launch(_))) {
                    return manager.apply(&name, Event::Fail("the gateway's state cannot be written".into()));
                }
            }
            for order in orders {
                let (manager, name) = (Arc::clone(&manager), name.clone());
                match order {
                    Order::Launch(role) => drop(tokio::spawn(manager.launch(name, role))),
                    Order::Kill(role, handle) => drop(tokio::spawn(manager.kill(name, role, handle))),
                    Order::AddRoute => drop(tokio::spawn(manager.add_route(name))),
                    Order::RemoveRoute => drop(manager.proxy.remove(&name).await),
                    Order::Clean => manager.backend.clean(&name).await,
                }
            }
        });
    }

    async fn launch(self: Arc<Self>, name: String, role: Role) {
        let Ok(_permit) = self.permits.acquire().await else { return };
        let Some(cluster) = self.get(&name) else { return };
        if !cluster.phase.is_active() {
            return self.apply(&name, Event::LaunchFailed(role, "it is not wanted any more".into()));
        }
        let Some(engine) = engine::named(&cluster.settings.engine) else {
            return self
                .apply(&name, Event::LaunchFailed(role, format!("there is no engine {:?}", cluster.settings.engine)));
        };
        let place = self.backend.place(&name);
        let (command, cores, memory) = match &role {
            Role::Scheduler => {
                let settings = &cluster.settings;
                (engine.scheduler(&cluster, &place), settings.scheduler_cores, settings.scheduler_memory)
            }
            Role::Worker(worker) => {
                let settings = &cluster.settings;
                (engine.worker(&cluster, worker, &place), settings.worker_cores, settings.worker_memory)
            }
        };
        let id = ProcessId { cluster: name.clone(), role: role.clone() };
        let start = Start { id, command, cores, memory_bytes: memory.0, cluster };
        match self.backend.start(&start).await {
            Ok(handle) => {
                self.watch(&name, role.clone(), handle.clone());
                self.apply(&name, Event::Launched(role, handle));
            }
            Err(why) => self.apply(&name, Event::LaunchFailed(role, why)),
        }
    }

    /// Waits for a process's end, behind.
    fn watch(self: &Arc<Self>, name: &str, role: Role, handle: String) {
        let (manager, id) = (Arc::clone(self), ProcessId { cluster: name.to_owned(), role });
        tokio::spawn(async move {
            let mut how = manager.backend.gone(&id, &handle).await;
            let log = manager.backend.log(&id, REASON_LINES).await;
            if !log.is_empty() {
                how = format!("{how}; the last lines of its log:\n{log}");
            }
            manager.apply(&id.cluster, Event::Exited(id.role, how));
        });
    }

    async fn kill(self: Arc<Self>, name: String, role: Role, handle: String) {
        let id = ProcessId { cluster: name, role };
        self.backend.stop(&id, &handle).await;
    }

    /// Tells the proxy the way, until it knows.
    async fn add_route(self: Arc<Self>, name: String) {
        loop {
            let address = self.look(&name, |cluster| {
                cluster.addresses.as_ref().filter(|_| cluster.phase.is_active()).map(|at| at.scheduler.clone())
            });
            let Some(Some(address)) = address else { return };
            let Some(target) = target(&address) else {
                return self.apply(&name, Event::Fail(format!("the scheduler's address {address:?} makes no sense")));
            };
            match self.proxy.add(&name, &target).await {
                Ok(()) => return self.apply(&name, Event::Routed),
                Err(error) => tracing::error!(%error, "the proxy cannot be reached"),
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }

    /// Sends an order to a running scheduler. One that does not answer has failed.
    async fn order(self: &Arc<Self>, name: &str, order: Value) -> Result<(), ManagerError> {
        let unknown = || ManagerError::Unknown(name.to_owned());
        let (api, token) = self
            .look(name, |cluster| {
                let running = cluster.addresses.as_ref().filter(|_| cluster.phase == Phase::Running);
                running.map(|addresses| (addresses.api.clone(), cluster.token.clone()))
            })
            .ok_or_else(unknown)?
            .ok_or_else(|| ManagerError::Conflict(format!("Cluster {name} is not running")))?;
        let mut url = Url::parse(&api).map_err(ManagerError::Conflict)?;
        url.path.push_str("/api/comm");
        let authorization = HeaderValue::try_from(format!("token {}", token.expose()))
            .map_err(|_| ManagerError::Conflict("the cluster's token is broken".into()))?;
        let mut pauses = ORDER_PAUSES.iter();
        loop {
            let why = match post(&url, authorization.clone(), order.to_string()).await {
                Ok((StatusCode::OK, _)) => return Ok(()),
                Ok((status, _)) => format!("it answers {status}"),
                Err(error) => error.to_string(),
            };
            match pauses.next() {
                Some(pause) => tokio::time::sleep(*pause).await,
                None => {
                    self.apply(name, Event::Fail(format!("the scheduler takes no orders: {why}")));
                    return Err(ManagerError::Conflict(format!("Cluster {name} does not answer")));
                }
            }
        }
    }

    fn allowed(&self, name: &str) -> Result<u32, ManagerError> {
        let state = self.lock();
        let entry = state.clusters.get(name).ok_or_else(|| ManagerError::Unknown(name.to_owned()))?;
        Ok(allowed_workers(&state, &self.limits, &entry.cluster).min(entry.cluster.settings.worker_limit()))
    }

    // ---- time, and what was left over ----

    async fn recover(self: &Arc<Self>) -> Result<(), String> {
        let mut found = self.backend.running().await?;
        if self.expects_more_than(&found) {
            // What the process before this one was starting as it died may not be visible yet.
            tokio::time::sleep(LATE_START).await;
            found = self.backend.running().await?;
        }
        let mut alive: HashMap<String, Vec<(Role, String)>> = HashMap::new();
        for (id, handle) in found {
            alive.entry(id.cluster).or_default().push((id.role, handle));
        }
        let names: Vec<String> = self.lock().clusters.keys().cloned().collect();
        for name in names {
            let alive = alive.remove(&name).unwrap_or_default();
            let (orders, saved, live) = {
                let mut state = self.lock();
                let Some(entry) = state.clusters.get_mut(&name) else { continue };
                if entry.cluster.phase.is_final() && alive.is_empty() {
                    continue;
                }
                let mut orders = Vec::new();
                entry.cluster.recover(&alive, now_ms(), &mut orders);
                (orders, self.store.save(&entry.cluster), live(&entry.cluster))
            };
            live.into_iter().for_each(|(role, handle)| self.watch(&name, role, handle));
            self.carry_out(&name, orders, Some(saved));
        }
        // Processes whose cluster nobody knows.
        for (cluster, processes) in alive {
            for (role, handle) in processes {
                tokio::spawn(Arc::clone(self).kill(cluster.clone(), role, handle));
            }
        }
        Ok(())
    }

    /// Whether a process was ordered that is not among those found.
    fn expects_more_than(&self, found: &[(ProcessId, String)]) -> bool {
        let is_found =
            |cluster: &str, role: &Role| found.iter().any(|(id, _)| id.cluster == cluster && id.role == *role);
        let state = self.lock();
        state.clusters.iter().any(|(name, entry)| {
            let workers =
                entry.cluster.workers.iter().map(|(name, worker)| (Role::Worker(name.clone()), &worker.process));
            std::iter::once((Role::Scheduler, &entry.cluster.scheduler))
                .chain(workers)
                .any(|(role, process)| *process == Process::Launching && !is_found(name, &role))
        })
    }

    async fn pass_time(self: Arc<Self>) {
        for tick in 1_u64.. {
            tokio::time::sleep(TICK).await;
            let connections = self.proxy.connections().await.ok();
            let names: Vec<String> = {
                let state = self.lock();
                let open = state.clusters.iter().filter(|(_, entry)| !entry.cluster.phase.is_final());
                open.map(|(name, _)| name.clone()).collect()
            };
            for name in names {
                let clients = connections.as_ref().map(|all| all.get(&name).copied().unwrap_or(0));
                self.apply(&name, Event::Tick(clients));
            }
            // Early once, for what was being started while the gateway before this one died.
            if tick == 2 || tick.is_multiple_of(SWEEP_TICKS) {
                self.sweep().await;
            }
            if tick.is_multiple_of(PURGE_TICKS) {
                self.purge().await;
                self.renew().await;
            }
        }
    }

    /// Stops what the backend runs and no cluster has.
    async fn sweep(self: &Arc<Self>) {
        let Ok(found) = self.backend.running().await else { return };
        for (id, handle) in found {
            let known = self.look(&id.cluster, |cluster| match &id.role {
                _ if cluster.phase.is_final() => false,
                Role::Scheduler => true,
                Role::Worker(name) => cluster.workers.contains_key(name),
            });
            if known != Some(true) {
                tracing::warn!(cluster = %id.cluster, role = %id.role, "a process that no cluster has is stopped");
                tokio::spawn(Arc::clone(self).kill(id.cluster, id.role, handle));
            }
        }
    }

    /// Forgets clusters that ended long ago, with their logs.
    async fn purge(&self) {
        let deadline_ms = now_ms().saturating_sub(self.keep_ended_ms);
        let old: Vec<String> = {
            let state = self.lock();
            let ended = state.clusters.values().map(|entry| &entry.cluster);
            let old = ended.filter(|cluster| cluster.stopped_ms.is_some_and(|stopped_ms| stopped_ms < deadline_ms));
            old.map(|cluster| cluster.name.clone()).collect()
        };
        for name in old {
            self.backend.forget(&name).await;
            if written(self.store.delete(&name)).await.is_ok() {
                self.lock().clusters.remove(&name);
            }
        }
    }

    /// Renews certificates that have passed half their time.
    async fn renew(self: &Arc<Self>) {
        let half_ms = u64::try_from(certs::VALID.whole_milliseconds() / 2).unwrap_or(u64::MAX);
        let old: Vec<Cluster> = {
            let state = self.lock();
            let all = state.clusters.values().map(|entry| &entry.cluster);
            let old = all.filter(|cluster| {
                cluster.phase == Phase::Running && now_ms().saturating_sub(cluster.certified_ms) > half_ms
            });
            old.cloned().collect()
        };
        for mut cluster in old {
            let Ok(certificate) = certs::renew(&cluster.name, &cluster.key) else { continue };
            cluster.certificate = certificate;
            if let Err(error) = self.backend.renew(&cluster).await {
                tracing::error!(cluster = %cluster.name, %error, "a certificate could not be renewed");
                continue;
            }
            let mut state = self.lock();
            if let Some(entry) = state.clusters.get_mut(&cluster.name) {
                entry.cluster.certificate = cluster.certificate;
                entry.cluster.certified_ms = now_ms();
                drop(self.store.save(&entry.cluster));
            }
        }
    }
}

impl Entry {
    fn new(cluster: Cluster) -> Entry {
        Entry { cluster, changed: watch::channel(()).0 }
    }
}

async fn written(saved: Saved) -> Result<(), String> {
    saved.await.unwrap_or_else(|_| Err("the database is closed".into()))
}

/// The processes of a cluster that run.
fn live(cluster: &Cluster) -> Vec<(Role, String)> {
    let workers = cluster.workers.iter().map(|(name, worker)| (Role::Worker(name.clone()), &worker.process));
    std::iter::once((Role::Scheduler, &cluster.scheduler))
        .chain(workers)
        .filter_map(|(role, process)| match process {
            Process::Live(handle) => Some((role, handle.clone())),
            _ => None,
        })
        .collect()
}

/// A cluster's name and where its scheduler listens, if that is known.
#[must_use]
pub fn way(cluster: &Cluster) -> Option<(String, String)> {
    Some((cluster.name.clone(), target(&cluster.addresses.as_ref()?.scheduler)?))
}

/// `host:port` of a scheduler's address.
fn target(address: &str) -> Option<String> {
    let target = address.split_once("://").map_or(address, |(_, rest)| rest).trim_end_matches('/');
    let (host, port) = target.rsplit_once(':')?;
    (!host.is_empty() && port.parse::<u16>().is_ok_and(|port| port > 0)).then(|| target.to_owned())
}

fn check_create(state: &State, user: &User, limit: &Limit, cores: u32, memory: u64) -> Result<(), ManagerError> {
    if state.draining {
        return Err(ManagerError::Draining);
    }
    let theirs = || {
        let all = state.clusters.values().map(|entry| &entry.cluster);
        all.filter(|cluster| cluster.user == user.name && !cluster.phase.is_final())
    };
    let over = |what: &str, used: u64, max: u64| {
        Err(ManagerError::Invalid(format!("the limit of {max} {what} per user is reached: {used} in use")))
    };
    let clusters = theirs().count() as u64;
    if let Some(max) = limit.clusters_per_user.map(u64::from)
        && clusters >= max
    {
        return over("clusters", clusters, max);
    }
    let used: u64 = theirs().map(|cluster| u64::from(cluster.cores())).sum();
    if let Some(max) = limit.cores_per_user.map(u64::from)
        && used + u64::from(cores) > max
    {
        return over("cores", used, max);
    }
    let used: u64 = theirs().map(Cluster::memory).sum();
    if let Some(max) = limit.memory_per_user
        && used.saturating_add(memory) > max.0
    {
        return over("bytes of memory", used, max.0);
    }
    Ok(())
}

/// How many workers a cluster may have, given what else its owner has.
fn allowed_workers(state: &State, limits: &Limits, cluster: &Cluster) -> u32 {
    let limit = limits.of(&cluster.groups);
    if limit.cores_per_user.is_none() && limit.memory_per_user.is_none() {
        return u32::MAX;
    }
    let others = || {
        let all = state.clusters.values().map(|entry| &entry.cluster);
        all.filter(|other| other.user == cluster.user && other.name != cluster.name)
    };
    let settings = &cluster.settings;
    let fitting = |max: u64, used: u64, each: u64| max.saturating_sub(used).checked_div(each).unwrap_or(u64::MAX);
    let by_cores = limit.cores_per_user.map(|max| {
        let used = others().map(|other| u64::from(other.cores())).sum::<u64>() + u64::from(settings.scheduler_cores);
        fitting(u64::from(max), used, u64::from(settings.worker_cores))
    });
    let by_memory = limit.memory_per_user.map(|max| {
        let used = others().map(Cluster::memory).sum::<u64>().saturating_add(settings.scheduler_memory.0);
        fitting(max.0, used, settings.worker_memory.0)
    });
    by_cores.into_iter().chain(by_memory).min().map_or(u32::MAX, |count| u32::try_from(count).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_host_and_port() {
        assert_eq!(target("tls://127.0.0.1:8786").as_deref(), Some("127.0.0.1:8786"));
        assert_eq!(target("tls://[::1]:8786").as_deref(), Some("[::1]:8786"));
        for nonsense in ["", "tls://", "tls://host", "tls://:1", "tls://host:0", "tls://host:x"] {
            assert_eq!(target(nonsense), None, "{nonsense}");
        }
    }
}
